import { evaluate } from '../analysis/model/evaluation.ts'
import { fitLogistic } from '../analysis/model/logistic.ts'
import { predictAll } from '../analysis/model/predict.ts'
import { fail, readCommandLine } from './commandLine.ts'
import { type Part, readCsv } from './model/readCsv.ts'

const { options } = readCommandLine({
  usage: 'npm run model -- --csv FILE --target COL --features a,b [--split COL] [--l2 0]',
  summary: `Fits a logistic regression to the training rows and prints its coefficients and its quality, on the
training and on the test rows, as JSON.`,
  options: {
    csv: { value: 'FILE', help: 'with a header line; .gz is unpacked', required: true },
    target: { value: 'COL', help: 'the outcome: 0 or 1, false or true', required: true },
    features: { value: 'a,b', help: 'columns of numbers', required: true },
    split: {
      value: 'COL',
      help: 'says train or test; without it three rows in ten are held out by the SHA-256 of their number',
    },
    l2: { value: 'L2', help: 'penalty on the standardised coefficients, ½·L2·|w|² (0)' },
  },
})

const features = [...new Set(options.features!.split(',').map((name) => name.trim()))].filter(
  (name) => name !== '',
)
if (features.length === 0) fail('--features names no column', 2)
const l2 = Number(options.l2 ?? '0')
if (!Number.isFinite(l2) || l2 < 0) fail(`--l2 is "${options.l2}"; it must be a number of 0 or more`, 2)

const data = await readCsv({
  file: options.csv!,
  target: options.target!,
  features,
  ...(options.split === undefined ? {} : { split: options.split }),
})
if ('fault' in data) fail(data.fault)
if (data.train.outcomes.length === 0) fail(`${options.csv} has no training rows`)
const model = fitLogistic({ features, ...data.train }, l2)
if ('fault' in model) fail(`no model: ${model.detail}`)

const quality = ({ columns, outcomes }: Part) => evaluate(outcomes, predictAll(model, columns))
process.stdout.write(
  `${JSON.stringify(
    {
      target: options.target,
      l2,
      iterations: model.iterations,
      coefficients: ['intercept', ...features].map((feature, i) => ({
        feature,
        standardised: model.standardised[i],
        raw: model.raw[i],
        ...(i === 0 ? {} : { mean: model.scaling.mean[i - 1], deviation: model.scaling.deviation[i - 1] }),
      })),
      train: quality(data.train),
      test: quality(data.test),
    },
    null,
    1,
  )}\n`,
)
