import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runProgram } from '../support/program.ts'
import { needsSharedData, sharedFile, sharedJson, sharedMissing } from '../support/sharedData.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gangway-model-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const model = (...args: string[]) => runProgram('model', args)

async function csv(text: string, name = 'data.csv'): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, name.endsWith('.gz') ? gzipSync(text) : text)
  return file
}

describe('npm run model', () => {
  test.skipIf(sharedMissing)(
    `prints every figure of the online shoppers’ reference${needsSharedData}`,
    async () => {
      const wanted = sharedJson('data', 'answers', 'online_shoppers_model.json').online_shoppers_purchase
      const common = ['--csv', sharedFile('data', 'model_online_shoppers.csv.gz'), '--target', 'revenue']
      const { out, code } = await model(...common, '--features', wanted.features.join(), '--split', 'split')
      expect(code).toBe(0)
      const { coefficients, train, test: held } = JSON.parse(out)
      for (const { feature, standardised, raw } of coefficients) {
        expect(standardised).toBeCloseTo(wanted.coef_standardised[feature], 9)
        expect(raw).toBeCloseTo(wanted.coef_raw[feature], 9)
      }
      expect(coefficients.slice(1).map(({ mean }: { mean: number }) => mean)).toEqual(
        wanted.train_mean.map((mean: number) => expect.closeTo(mean, 12)),
      )
      expect(coefficients.slice(1).map(({ deviation }: { deviation: number }) => deviation)).toEqual(
        wanted.train_sd_ddof0.map((deviation: number) => expect.closeTo(deviation, 12)),
      )
      expect(train).toMatchObject({ n: wanted.n_train, positives: wanted.positives_train })
      expect(held).toMatchObject({ n: wanted.n_test, positives: wanted.positives_test })
      expect(train.auc).toBeCloseTo(wanted.auc_train, 12)
      expect(train.logLoss).toBeCloseTo(wanted.logloss_train, 12)
      expect(held.auc).toBeCloseTo(wanted.auc_test, 12)
      expect(held.logLoss).toBeCloseTo(wanted.logloss_test, 12)
      expect(held.brier).toBeCloseTo(wanted.brier_test, 12)
      expect(held.accuracy).toBeCloseTo(wanted.accuracy_test_at_half, 12)
      expect(held.baseRate).toBeCloseTo(wanted.base_rate_test, 12)
      expect(held.calibration).toEqual(
        wanted.calibration_deciles_test.map(([predicted, observed, n]: number[]) => ({
          predicted: expect.closeTo(predicted!, 12),
          observed: expect.closeTo(observed!, 12),
          n,
        })),
      )
      // scikit-learn stops its search early; the ranking differs in a few pairs of millions.
      const penalised = await model(...common, '--features', wanted.features.join(), '--l2', '1')
      expect(JSON.parse(penalised.out).test.auc).toBeCloseTo(wanted.l2_C1_sklearn_auc_test, 5)
    },
  )

  test('reads true and false, quoted fields and gzip', async () => {
    const rows = Array.from(
      { length: 40 },
      (_, i) => `"${(i * 7) % 11}",${i % 3 === 0 ? 'True' : 'false'},${i < 30 ? 'train' : 'test'}`,
    )
    const plain = await csv(`x,bought,part\n${rows.join('\n')}\n`, 'plain.csv.gz')
    const found = await model('--csv', plain, '--target', 'bought', '--features', 'x', '--split', 'part')
    expect(JSON.parse(found.out)).toMatchObject({
      train: { n: 30, positives: 10 },
      test: { n: 10, positives: 4 },
    })
  })

  test.each([
    ['a,y\n1,0\n', ['--features', 'b'], 'no column b; it has a, y'],
    ['a,y\n1,0\n', ['--features', 'a', '--split', 's'], 'no column s'],
    ['a,y\n1,0\nx,1\n', ['--features', 'a'], 'line 3: a is "x", not a number'],
    ['a,y\n1,0\n,1\n', ['--features', 'a'], 'line 3: a is "", not a number'],
    ['a,y\n1,0\n2,2\n', ['--features', 'a'], 'line 3: y is "2"; it must be 0 or 1'],
    [
      'a,y,s\n1,0,train\n2,1,hold\n',
      ['--features', 'a', '--split', 's'],
      'line 3: s is "hold"; it must be train or test',
    ],
    ['a,y\n1,0\n2\n', ['--features', 'a'], 'line 3'],
    ['', ['--features', 'a'], 'is empty'],
    ['a,y,s\n1,0,test\n', ['--features', 'a', '--split', 's'], 'no training rows'],
    [
      'a,y,s\n1,0,train\n2,0,train\n3,1,train\n4,1,train\n',
      ['--features', 'a', '--split', 's'],
      'separate the outcomes',
    ],
    ['a,y,s\n1,0,train\n1,1,train\n1,1,train\n', ['--features', 'a', '--split', 's'], 'a has the same value'],
    ['a,y\n1,0\n', ['--features', 'a', '--l2=-1'], '--l2 is "-1"'],
  ])('%j with %j fails with one line', async (text, args, line) => {
    const { code, out, err } = await model('--csv', await csv(text), '--target', 'y', ...args)
    expect(code).not.toBe(0)
    expect(out).toBe('')
    expect(err).toContain(line)
    expect(err.trim().split('\n').length).toBeLessThanOrEqual(2)
  })

  test('a missing file and a missing option are said so', async () => {
    expect((await model('--csv', '/nowhere.csv', '--target', 'y', '--features', 'a')).err).toContain(
      'no such file',
    )
    expect((await model('--csv', 'x.csv', '--features', 'a')).err).toContain('--target is missing')
    expect((await model('--help')).out).toContain('--features a,b')
  })
})
