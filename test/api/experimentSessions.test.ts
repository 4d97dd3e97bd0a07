import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { startTestService, type TestService } from '../support/service.ts'

let service: TestService
let admin: Client
let member: Client

beforeAll(async () => {
  service = await startTestService()
  admin = await service.as('acme', 'root', 'admin')
  member = await service.as('acme', 'mia', 'member')
})
afterAll(() => service?.stop())

const publish = async (id: string, steps: object[]) => {
  const { status, body } = await admin.post('/flows', { id, title: id, steps })
  expect([status, body.version]).toEqual([201, expect.any(Number)])
}
const steps = [
  { id: 'name', title: 'Name', kind: 'form', schema: { type: 'object', required: ['name'] } },
  { id: 'survey', title: 'Survey', kind: 'form', dependsOn: ['name'] },
]
const shorter = { steps: { survey: { required: false, visibleWhen: 'false' }, name: { schema: true } } }
const running = async (key: string, flowId: string, more: object = {}) => {
  const { status, body } = await admin.post('/experiments', {
    key,
    flowId,
    unit: 'user',
    variants: [
      { key: 'long', weight: 1 },
      { key: 'short', weight: 1, overrides: shorter },
    ],
    metrics: [
      {
        key: 'completed',
        type: 'conversion',
        filter: { event: 'SessionCompleted' },
        direction: 'increase',
        role: 'primary',
      },
    ],
    ...more,
  })
  if (status !== 201) throw new Error(JSON.stringify(body))
  expect((await admin.post(`/experiments/${key}/start`)).status).toBe(200)
}
const start = async (flowId: string, userId: string) => {
  const { status, body } = await member.post('/onboarding/start', { flowId, userId })
  expect(status).toBe(201)
  return body
}
const events = async (sessionId: string) => {
  const { body } = await admin.get(`/audit/sessions/${sessionId}`)
  return body
}
/** The first user whom the hash gives the variant. */
const userOf = async (key: string, variant: string): Promise<string> => {
  for (let i = 0; ; i++) {
    const userId = `${key}-user-${i}`
    const { body } = await member.post(`/experiments/${key}/assign`, { userId })
    if (body.variant === variant) return userId
  }
}

describe('a session of a flow with a running experiment', () => {
  test('runs the steps as its user’s variant has them, and records what it showed', async () => {
    await publish('signup', steps)
    await running('shorter', 'signup')
    const session = await start('signup', await userOf('shorter', 'short'))
    expect(
      session.steps.map(({ stepId, status }: { stepId: string; status: string }) => [stepId, status]),
    ).toEqual([
      ['name', 'available'],
      ['survey', 'hidden'],
    ])
    const about = `/onboarding/step/name/configuration?flowId=signup`
    expect((await member.get(about)).body.schema).toEqual(steps[0]!.schema)
    expect((await member.get(`${about}&sessionId=${session.id}`)).body.schema).toBe(true)
    const pat = await service.as('acme', 'pat', 'participant')
    expect((await pat.get(`${about}&sessionId=${session.id}`)).status).toBe(404)
    // The schema that asks for a name is overridden too, and one step is all there is.
    const submitted = await member.put(`/onboarding/step/${session.id}/name`, { data: {} })
    expect([submitted.status, submitted.body.progress]).toEqual([200, 100])
    const completed = await member.post(`/onboarding/complete/${session.id}`)
    expect([completed.status, completed.body.status]).toEqual([200, 'completed'])

    const replayed = await events(session.id)
    expect(replayed.events.slice(0, 2)).toMatchObject([
      { type: 'SessionStarted' },
      {
        type: 'ExposureRecorded',
        data: { experiment: 'shorter', variant: 'short', overrides: shorter },
      },
    ])
    expect(replayed.session).toMatchObject({ status: 'completed', progress: 100 })
    const { body: read } = await member.get(`/onboarding/session/${session.id}`)
    expect(read.steps[1].status).toBe('hidden')
  })

  test('is as published for the control, whose exposure is recorded too', async () => {
    const session = await start('signup', await userOf('shorter', 'long'))
    expect(session.steps.map(({ status }: { status: string }) => status)).toEqual(['available', 'locked'])
    const refused = await member.put(`/onboarding/step/${session.id}/name`, { data: {} })
    expect(refused.status).toBe(422)
    const exposures = (await events(session.id)).events.filter(
      ({ type }: { type: string }) => type === 'ExposureRecorded',
    )
    expect(exposures.map(({ data }: { data: object }) => data)).toEqual([
      { experiment: 'shorter', variant: 'long' },
    ])
  })

  test('keeps its steps after the experiment has stopped, while later ones are as published', async () => {
    const userId = await userOf('shorter', 'short')
    const before = await start('signup', userId)
    const { body: stopped } = await admin.post('/experiments/shorter/stop')
    expect(stopped.status).toBe('stopped')
    const results = await admin.get('/experiments/shorter/results')
    expect(results.body).toMatchObject({ exposed: 2, multiExposed: 0 })
    expect(results.body.assigned).toBeGreaterThanOrEqual(2)
    const kept = await member.get(`/onboarding/session/${before.id}`)
    expect(kept.body.steps[1].status).toBe('hidden')
    const after = await start('signup', userId)
    expect(after.steps[1].status).toBe('locked')
    expect((await events(after.id)).events).toHaveLength(1)
  })

  test('is not shown a variant that no longer fits the flow', async () => {
    await publish('moving', steps)
    await running('lost', 'moving', {
      variants: [
        { key: 'one', weight: 1, overrides: { steps: { survey: { dependsOn: [] } } } },
        {
          key: 'two',
          weight: 1,
          overrides: { steps: { name: { dependsOn: ['survey'] }, survey: { dependsOn: [] } } },
        },
      ],
    })
    const userId = await userOf('lost', 'two')
    await publish('moving', [steps[0]!, { id: 'poll', title: 'Poll', kind: 'form' }])
    const session = await start('moving', userId)
    expect(session.steps.map(({ status }: { status: string }) => status)).toEqual(['available', 'available'])
    expect((await events(session.id)).events).toHaveLength(1)
  })

  test('keeps what it was shown when a migration gives its steps other names', async () => {
    await publish('renaming', steps)
    await running('kept', 'renaming', {
      variants: [
        { key: 'plain', weight: 1 },
        { key: 'free', weight: 1, overrides: { steps: { survey: { dependsOn: [], required: false } } } },
      ],
    })
    const session = await start('renaming', await userOf('kept', 'free'))
    await publish('renaming', [
      { ...steps[0], id: 'who' },
      { ...steps[1], id: 'poll', dependsOn: ['who'] },
    ])
    const migration = { from: 1, to: 2, steps: { name: 'who', survey: 'poll' } }
    expect((await admin.post('/flows/renaming/migrations', migration)).status).toBeLessThan(300)
    const { body } = await admin.get(`/onboarding/session/${session.id}`)
    expect(
      body.steps.map(({ stepId, status }: { stepId: string; status: string }) => [stepId, status]),
    ).toEqual([
      ['who', 'available'],
      ['poll', 'available'],
    ])
  })

  test('takes several experiments together, each for those it is meant for', async () => {
    await publish('both', steps)
    const hide = (step: string) => [
      { key: 'a', weight: 1 },
      { key: 'b', weight: 1, overrides: { steps: { [step]: { visibleWhen: 'false' } } } },
    ]
    await running('hide-survey', 'both', { unit: 'session', variants: hide('survey') })
    await running('hide-name', 'both', {
      unit: 'session',
      variants: hide('name'),
      targeting: 'attributes.plan == "pro"',
    })
    const seen = new Set<string>()
    for (let i = 0; i < 60 && seen.size < 4; i++) {
      const { body } = await member.post('/onboarding/start', { flowId: 'both', context: { plan: 'pro' } })
      const exposures = (await events(body.id)).events.filter(
        ({ type }: { type: string }) => type === 'ExposureRecorded',
      )
      const [byName, bySurvey] = exposures.map(({ data }: { data: { variant: string } }) => data.variant)
      expect(body.steps.map(({ status }: { status: string }) => status === 'hidden')).toEqual([
        byName === 'b',
        bySurvey === 'b',
      ])
      seen.add(`${byName}${bySurvey}`)
    }
    expect(seen.size).toBe(4)
    const { body: free } = await member.post('/onboarding/start', { flowId: 'both' })
    const types = (await events(free.id)).events.map(
      ({ data }: { data: { experiment?: string } }) => data.experiment,
    )
    expect(types.filter(Boolean)).toEqual(['hide-survey'])
  })
})
