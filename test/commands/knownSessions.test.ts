import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KnownSession, KnownSessions, NO_LINES } from '../../src/commands/import/knownSessions.ts'

const chainOf = (n: number) => createHash('sha256').update(String(n)).digest('hex')
const begun = (revision: number): KnownSession => ({
  place: { revision, chain: chainOf(revision) },
  flowId: 'loans',
  lines: NO_LINES,
})

describe('the sessions that an import knows', () => {
  test('are what was last said of them', () => {
    const known = fc.oneof(
      fc.nat(9).map(begun),
      fc.constantFrom<KnownSession[]>(
        { place: 'no_stream', flowId: null, lines: NO_LINES },
        { ...begun(3), flowId: 'other' },
        { ...begun(4), lines: new Set(['line:a:0']) },
      ),
    )
    const change = fc.record({ session: fc.nat(5).map(String), known: fc.option(known) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const sessions = new KnownSessions('loans')
        const model = new Map<string, KnownSession>()
        for (const { session, known } of changes) {
          if (known) {
            sessions.set(session, known)
            model.set(session, known)
          } else {
            sessions.delete(session)
            model.delete(session)
          }
        }
        for (let n = 0; n <= 5; n++) expect(sessions.get(String(n))).toEqual(model.get(String(n)))
      }),
    )
  })

  test('are forgotten when many others came since, the latest never', () => {
    const sessions = new KnownSessions('loans', 6000)
    for (let n = 0; n < 20_000; n++) {
      sessions.set(`s${n}`, begun(n))
      for (let back = 0; back < 3000 && back <= n; back += 997)
        expect(sessions.get(`s${n - back}`)).toEqual(begun(n - back))
    }
    expect(sessions.get('s0')).toBeUndefined()
    expect(sessions.get('s13000')).toBeUndefined()
  })
})
