import { describe, expect, test } from 'vitest'
import { attributeReader } from '../../../src/analysis/insight/attributesAt.ts'
import { withClusteredCovariance } from '../../../src/analysis/insight/clustered.ts'
import { endingOf, HOUR, SILENCE } from '../../../src/analysis/insight/ending.ts'
import { featureNames, featuresAt } from '../../../src/analysis/insight/features.ts'
import { historyOf } from '../../../src/analysis/insight/history.ts'
import { abandonsWithin, completes, landmarksOf } from '../../../src/analysis/insight/landmarks.ts'
import { latestSessions } from '../../../src/analysis/insight/latestSessions.ts'
import { trainOnFlow } from '../../../src/analysis/insight/prediction.ts'
import { fitLogistic } from '../../../src/analysis/model/logistic.ts'
import { type Happened, type Random, random, sourceOf } from '../support/histories.ts'

const LATER = Date.UTC(2029, 0, 1)
/** `at` in hours. */
const at = (hours: number, what: string, properties: Record<string, unknown> = {}, session = 's') => ({
  session,
  at: hours * HOUR,
  what,
  properties,
})
const eventsOf = (...events: Happened[]) => historyOf(sourceOf(events).index, 's', LATER)!.events

describe('how a session ended', () => {
  test('is its last recorded end; landmarks lie before the first', () => {
    const events = eventsOf(
      at(0, '!SessionStarted'),
      at(1, 'step:a'),
      at(2, '!SessionAbandoned', { reason: 'requested' }),
      at(3, '!SessionCompleted'),
    )
    expect(endingOf(events, LATER)).toEqual({ how: 'completed', at: 2 * HOUR, through: 2 })
  })

  test('is silence once seven days went by without a sign of life', () => {
    const events = eventsOf(at(0, '!SessionStarted'), at(1, 'step:a'), at(90, '!MilestoneReached'))
    expect(endingOf(events, HOUR + SILENCE - 1).how).toBe('open')
    expect(endingOf(events, HOUR + SILENCE)).toMatchObject({ how: 'silent', at: HOUR + SILENCE })
    expect(completes(endingOf(events, HOUR + SILENCE))).toBe(false)
    expect(completes(endingOf(events, HOUR))).toBeUndefined()
  })
})

describe('abandoned within seven days', () => {
  const within = (events: readonly Happened[], seen: number, asOf = LATER, hours?: number) => {
    const history = eventsOf(...events)
    const landmark = { seen, at: hours === undefined ? history[seen - 1]!.time : hours * HOUR }
    return abandonsWithin(history, endingOf(history, asOf), landmark, asOf)
  }
  const started = at(0, '!SessionStarted')

  test('is so recorded, or nothing at all happened', () => {
    expect(within([started, at(100, '!SessionAbandoned', { reason: 'inactivity' })], 1)).toBe(true)
    expect(within([started], 1)).toBe(true)
    expect(within([started, at(169, 'step:a')], 1)).toBe(true)
  })

  test('is not who did something in them, or completed', () => {
    expect(within([started, at(168, 'step:a')], 1)).toBe(false)
    expect(within([started, at(5, '!SessionCompleted')], 1)).toBe(false)
    expect(within([started, at(5, 'step:a'), at(400, '!SessionAbandoned')], 1)).toBe(false)
  })

  test('is not known while the days are not over, unless the session has ended', () => {
    expect(within([started, at(5, 'step:a')], 1, 100 * HOUR)).toBeUndefined()
    expect(within([started, at(5, '!SessionCompleted')], 1, 100 * HOUR)).toBe(false)
  })
})

describe('landmarks', () => {
  test('lie after events and in the silence that followed them, before what came next', () => {
    const events = eventsOf(at(0, '!SessionStarted'), at(2, 'step:a'), at(30, '!SessionCompleted'))
    const hours = (asOf: number) =>
      landmarksOf(events, endingOf(events, asOf), asOf).map(({ seen, at: moment }) => [seen, moment / HOUR])
    expect(hours(LATER)).toEqual([
      [1, 0],
      [1, 1],
      [2, 2],
      [2, 3],
      [2, 8],
      [2, 26],
    ])
  })

  test('of a session that goes on end with what has passed', () => {
    const events = eventsOf(at(0, '!SessionStarted'))
    const asOf = 30 * HOUR
    const moments = landmarksOf(events, endingOf(events, asOf), asOf).map(({ at: moment }) => moment / HOUR)
    expect(moments).toEqual([0, 1, 6, 24])
  })
})

test('the latest sessions are those that began last, as of a time', () => {
  const { index } = sourceOf([
    at(0, '!SessionStarted', {}, 'old'),
    at(5, '!SessionCompleted', {}, 'old'),
    at(3, '!SessionStarted', {}, 'new'),
    at(2, '!SessionStarted', {}, 'middle'),
    at(9, '!SessionStarted', {}, 'future'),
  ])
  const ids = ({ only }: { only: ReadonlySet<number> | undefined }) =>
    only && [...only].map((number) => index.sessions.text(number)).sort()
  expect(latestSessions(index, 8 * HOUR, 5)).toEqual({ sessions: 3, finished: 1, only: undefined })
  expect(ids(latestSessions(index, 8 * HOUR, 2))).toEqual(['middle', 'new'])
  expect(latestSessions(index, 4 * HOUR, 2)).toMatchObject({ sessions: 3, finished: 0 })
})

/** A session at random, of everything that features look at. */
function randomSession({ below, chance, pick }: Random, session: string): Happened[] {
  const events: Happened[] = [at(0, '!SessionStarted', { context: { plan: pick(['a', 'b']) } }, session)]
  let hours = 0
  for (let n = below(15); n > 0; n--) {
    hours += chance(0.3) ? below(200) : below(5)
    const stepId = pick(['a', 'b', 'c'])
    const what = pick([
      `step:${stepId}`,
      '!StepStarted',
      '!StepSaved',
      '!StepSkipped',
      '!StepReopened',
      '!StepValidationFailed',
      '!SessionPaused',
      '!SessionResumed',
      '!AttributesRecorded',
      'help',
    ])
    const properties =
      what === '!AttributesRecorded' ? { attributes: { plan: pick(['a', 'b', 'c']) } } : { stepId }
    events.push(at(hours, what, properties, session))
  }
  if (chance(0.6))
    events.push(at(hours + below(90), pick(['!SessionCompleted', '!SessionAbandoned']), {}, session))
  return events
}

const CHOICE = {
  steps: ['a', 'b', 'c'],
  signals: ['help'],
  attributes: ['a', 'b', 'c'].map((value) => ({ attribute: 'plan', value })),
}

describe('no feature knows the future', () => {
  test('whatever comes after a landmark, the landmark and its features stay as they are', () => {
    const dice = random(11)
    let compared = 0
    for (let round = 0; round < 300; round++) {
      const whole = randomSession(dice, 's')
      const { index } = sourceOf(whole)
      const { events, session } = historyOf(index, 's', LATER)!
      const rows = landmarksOf(events, endingOf(events, LATER), LATER)
      for (const { seen, at: moment } of rows) {
        const before = featuresAt(
          events.slice(0, seen),
          moment,
          attributeReader(index, ['plan'])(session),
          CHOICE,
        )
        // Another future: nothing, or something else altogether, after the moment.
        const past = whole.filter((event) => event.at <= moment)
        const future = randomSession(dice, 's')
          .slice(1)
          .map((event) => ({ ...event, at: event.at + moment + 1 }))
        const other = sourceOf([...past, ...future])
        const history = historyOf(other.index, 's', LATER)!
        const own = attributeReader(other.index, ['plan'])(history.session)
        expect(featuresAt(history.events.slice(0, seen), moment, own, CHOICE)).toEqual(before)
        compared += 1
      }
    }
    expect(compared).toBeGreaterThan(1000)
  })

  test('the names of features go with their values', () => {
    const { index } = sourceOf([
      at(0, '!SessionStarted', { context: { plan: 'b' } }),
      at(1, 'step:a'),
      at(2, '!StepValidationFailed', { stepId: 'b', errors: [] }),
    ])
    const { events, session } = historyOf(index, 's', LATER)!
    const values = featuresAt(events, 8 * HOUR, attributeReader(index, ['plan'])(session), CHOICE)
    const named = Object.fromEntries(featureNames(CHOICE).map((name, i) => [name, values[i]]))
    expect(named).toMatchObject({
      stepsMet: 1,
      hoursSinceStart: Math.log(9),
      hoursSinceActivity: Math.log(7),
      failedValidations: Math.log(2),
      'completed:a': 1,
      'completed:b': 0,
      'plan="b"': 1,
      'plan="a"': 0,
    })
  })
})

/** Sessions in which those on plan a complete far more often, and nobody else differs. */
function simulated(count: number, seed = 3): Happened[] {
  const dice = random(seed)
  return Array.from({ length: count }, (_, n) => {
    const plan = dice.pick(['a', 'b'])
    const session = `s${n}`
    const events: Happened[] = [at(n, '!SessionStarted', { context: { plan } }, session)]
    events.push(at(n + 1 + dice.below(3), 'step:a', {}, session))
    const completed = dice.chance(plan === 'a' ? 0.85 : 0.25)
    events.push(at(n + 6, completed ? '!SessionCompleted' : '!SessionAbandoned', {}, session))
    return events
  }).flat()
}
const train = (events: readonly Happened[], asOf = LATER) => {
  const source = sourceOf(events)
  const outcome = trainOnFlow({ flowId: 'f', asOf: new Date(asOf).toISOString() }, source)
  if ('faults' in outcome) throw new Error(JSON.stringify(outcome.faults))
  return outcome.answer.training
}

describe('training', () => {
  test('finds what was planted, is calibrated on sessions it has not seen', () => {
    const training = train(simulated(800))
    if ('unknown' in training) return expect.fail(training.unknown)
    const { model, quality, sessions } = training.completion
    expect(sessions + quality.sessions).toBe(800)
    // The best that can be had of chances of 0.85 and 0.25 in equal parts is an AUC of 0.80.
    expect(quality.auc).toBeGreaterThan(0.72)
    expect(quality.brier).toBeLessThan(0.19)
    for (const { predicted, observed, n } of quality.calibration)
      expect(Math.abs(predicted - observed)).toBeLessThan(0.05 + 4 * Math.sqrt(0.25 / n))
    const strongest = model.features
      .map((feature, i) => [Math.abs(model.standardised[i + 1]!), feature] as const)
      .sort(([a], [b]) => b - a)[0]![1]
    expect(strongest).toMatch(/^plan=/)
  })

  test('of 199 ended sessions nothing is learnt, of 200 something is', () => {
    expect(train(simulated(199))).toMatchObject({ finished: 199, unknown: expect.stringContaining('199') })
    expect(train(simulated(200))).toMatchObject({ finished: 200, completion: expect.anything() })
  })

  test('where all end alike nothing is learnt, and why is said', () => {
    const events = simulated(300).map((event) =>
      event.what === '!SessionAbandoned' ? { ...event, what: '!SessionCompleted' } : event,
    )
    expect(train(events)).toMatchObject({ finished: 300, unknown: expect.stringContaining('same outcome') })
  })

  test('what only those who were completed did, and later, gives no row away', () => {
    const dice = random(29)
    const events = Array.from({ length: 600 }, (_, n) => {
      const session = `s${n}`
      const began = at(n, '!SessionStarted', {}, session)
      return dice.chance(0.5)
        ? [began, at(n + 5, '!SessionCompleted', {}, session), at(n + 6, 'step:z', {}, session)]
        : [began, at(n + 5, '!SessionAbandoned', {}, session)]
    }).flat()
    const training = train(events)
    if ('unknown' in training) return expect.fail(training.unknown)
    expect(training.completion.quality.auc).toBeLessThan(0.6)
    expect(training.abandon7d.quality.auc).toBeLessThan(0.6)
  })

  test('nothing later than asOf is learnt from', () => {
    const events = simulated(800)
    const asOf = 500 * HOUR
    expect(train(events, asOf)).toEqual(
      train(
        events.filter((event) => event.at <= asOf),
        asOf,
      ),
    )
  })
})

test('rows said several times over make an interval no narrower', () => {
  const dice = random(5)
  const x = Array.from({ length: 400 }, () => dice.next())
  const outcomes = x.map((value) => (dice.chance(0.2 + 0.6 * value) ? 1 : 0))
  const fitTimes = (times: number) => {
    const repeated = <T>(list: readonly T[]) => list.flatMap((item) => new Array<T>(times).fill(item))
    const data = { features: ['x'], columns: [repeated(x)], outcomes: repeated(outcomes) }
    const model = fitLogistic(data)
    if ('fault' in model) throw new Error(model.detail)
    return { model, clustered: withClusteredCovariance(model, data, repeated(x.map((_, i) => i))) }
  }
  const [once, often] = [fitTimes(1), fitTimes(5)]
  expect(often.model.covariance[1]![1]).toBeCloseTo(once.model.covariance[1]![1]! / 5, 6)
  expect(often.clustered.covariance[1]![1]).toBeCloseTo(once.clustered.covariance[1]![1]!, 6)
  expect(once.clustered.covariance[1]![1]! / once.model.covariance[1]![1]!).toBeCloseTo(1, 0)
})
