import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiNode, startApiNode } from '../support/apiNode.ts'
import type { Answer, Client } from '../support/client.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

const flow = {
  id: 'desk',
  title: { en: 'Support desk', fr: 'Assistance' },
  milestones: [50, 100],
  steps: [
    { id: 'welcome', title: 'Welcome', kind: 'content', estimatedMinutes: 1 },
    {
      id: 'company',
      title: 'Company',
      kind: 'form',
      dependsOn: ['welcome'],
      estimatedMinutes: 10,
      schema: {
        type: 'object',
        required: ['name', 'size'],
        additionalProperties: false,
        properties: { name: { type: 'string', minLength: 2 }, size: { type: 'integer', minimum: 1 } },
      },
    },
    {
      id: 'team',
      title: 'Team',
      kind: 'form',
      dependsOn: ['company'],
      visibleWhen: 'answers.company.size > 1',
      estimatedMinutes: 5,
    },
    { id: 'extras', title: 'Extras', kind: 'form', required: false },
  ],
}

let database: TestDatabase
let node: ApiNode
let admin: Client
let member: Client
let ann: Client

beforeAll(async () => {
  database = await freshDatabase()
  node = await startApiNode(database.connectionString)
  admin = await node.client('acme', 'root', 'admin')
  member = await node.client('acme', 'mia', 'member')
  ann = await node.client('acme', 'ann', 'participant')
  expect((await admin.post('/flows', flow)).status).toBe(201)
})

afterAll(async () => {
  await node.stop()
  await database.drop()
})

const start = async (as = ann, more: object = {}): Promise<string> => {
  const { status, body } = await as.post('/onboarding/start', { flowId: 'desk', ...more })
  expect(status).toBe(201)
  return body.id
}
const put = (id: string, step: string, body: object, as = ann) =>
  as.put(`/onboarding/step/${id}/${step}`, body)
const submit = (id: string, step: string, data?: unknown, as = ann) => put(id, step, { data }, as)
const said = ({ status, body }: Answer) => ({ status, code: body.code })

test('a whole onboarding: every step, a branch, milestones, completion', async () => {
  const { body: begun } = await ann.post('/onboarding/start', { flowId: 'desk', context: { plan: 'team' } })
  expect(begun).toMatchObject({
    tenantId: 'acme',
    userId: 'ann',
    flowId: 'desk',
    flowVersion: 1,
    status: 'active',
    currentStep: 'welcome',
    completedSteps: [],
    skippedSteps: [],
    stepData: {},
    progress: 0,
    context: { plan: 'team' },
    revision: 0,
    startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    estimatedCompletion: expect.any(String),
  })
  const { id } = begun
  expect((await put(id, 'welcome', { action: 'start' })).body.currentStep).toBe('welcome')
  expect((await submit(id, 'welcome')).body).toMatchObject({ completedSteps: ['welcome'], progress: 33 })
  const company = await submit(id, 'company', { name: 'Acme', size: 5 })
  expect(company.body).toMatchObject({
    currentStep: 'team',
    stepData: { company: { name: 'Acme', size: 5 } },
    progress: 50,
    milestones: [50],
  })
  expect((await put(id, 'team', { action: 'save', data: { lead: 'Bo' } })).body.stepData.team).toEqual({
    lead: 'Bo',
  })
  await submit(id, 'team', { lead: 'Bo', people: ['Al'] })
  const skipped = await put(id, 'extras', { action: 'skip' })
  expect(skipped.body).toMatchObject({ skippedSteps: ['extras'], progress: 100, currentStep: null })
  const done = await ann.post(`/onboarding/complete/${id}`)
  expect(done.body).toMatchObject({ status: 'completed', progress: 100, completedAt: expect.any(String) })
  const { body: progress } = await ann.get(`/onboarding/progress/${id}`)
  expect(progress).toEqual({
    percent: 100,
    completedSteps: ['welcome', 'company', 'team'],
    currentStep: null,
    remainingSteps: [],
    milestones: [50, 100],
    estimatedCompletion: null,
  })
  expect((await ann.get(`/onboarding/session/${id}`)).body).toMatchObject({
    ...done.body,
    steps: expect.any(Array),
  })
})

describe('refusals', () => {
  test('say why, with a code', async () => {
    const id = await start()
    const waiting = await submit(id, 'company', { name: 'Acme', size: 5 })
    expect(said(waiting)).toEqual({ status: 409, code: 'dependencies_unmet' })
    expect(waiting.body.detail).toContain('welcome')
    expect(said(await submit(id, 'team', {}))).toEqual({ status: 409, code: 'step_hidden' })
    expect(said(await put(id, 'welcome', { action: 'skip' }))).toEqual({ status: 409, code: 'step_required' })
    expect(said(await submit(id, 'nowhere', {}))).toEqual({ status: 404, code: 'step_unknown' })
    const early = await ann.post(`/onboarding/complete/${id}`)
    expect(said(early)).toEqual({ status: 409, code: 'steps_remaining' })
    await ann.post(`/onboarding/pause/${id}`)
    expect(said(await submit(id, 'welcome'))).toEqual({ status: 409, code: 'session_not_active' })
    expect(said(await ann.post('/onboarding/pause/none'))).toEqual({ status: 404, code: 'session_unknown' })
    expect(said(await ann.post('/onboarding/start', { flowId: 'none' }))).toEqual({
      status: 404,
      code: 'flow_unknown',
    })
  })

  test('a submission that fails its schema names every fault and is recorded', async () => {
    const id = await start()
    await submit(id, 'welcome')
    const before = await ann.get(`/onboarding/session/${id}`)
    const bad = await submit(id, 'company', { name: 'A', size: 0, colour: 'red' })
    expect(said(bad)).toEqual({ status: 422, code: 'validation_failed' })
    const pointers = bad.body.errors.map((error: { pointer: string }) => error.pointer).sort()
    expect(pointers).toEqual(expect.arrayContaining(['/data/name', '/data/size']))
    expect(pointers.some((pointer: string) => pointer.startsWith('/data'))).toBe(true)
    expect(bad.headers.get('etag')).toBe(`"${before.body.revision + 1}"`)
    const events = await Array.fromAsync(node.deps.store.read(`session-acme_${id}`))
    expect(events.at(-1)).toMatchObject({ type: 'StepValidationFailed', data: { stepId: 'company' } })
    expect(JSON.stringify(events.at(-1)!.data)).not.toContain('red')
  })
})

describe('roles', () => {
  test('a participant starts for themselves alone and sees no session of another', async () => {
    const bob = await node.client('acme', 'bob', 'participant')
    const id = await start()
    expect(said(await bob.post('/onboarding/start', { flowId: 'desk', userId: 'ann' }))).toEqual({
      status: 403,
      code: 'forbidden',
    })
    expect((await bob.post('/onboarding/start', { flowId: 'desk', userId: 'bob' })).status).toBe(201)
    const attempts = [
      bob.get(`/onboarding/session/${id}`),
      bob.get(`/onboarding/progress/${id}`),
      bob.post(`/onboarding/pause/${id}`),
      bob.post(`/onboarding/track/${id}`, { type: 'x' }),
      put(id, 'welcome', { data: {} }, bob),
      put(id, 'nowhere', { data: {} }, bob),
    ]
    for (const attempt of attempts)
      expect(said(await attempt)).toEqual({ status: 404, code: 'session_unknown' })
  })

  test('a member does it all for every session, and starts for others', async () => {
    const id = await start(member, { userId: 'carl' })
    expect((await member.get(`/onboarding/session/${id}`)).body.userId).toBe('carl')
    expect((await submit(id, 'welcome', undefined, member)).status).toBe(200)
  })

  test('each role reaches what the table says and nothing else', async () => {
    const id = await start()
    const requests: Record<string, (client: Client) => Promise<Answer>> = {
      publish: (client) => client.post('/flows', { ...flow, id: 'other' }),
      flows: (client) => client.get('/flows'),
      flow: (client) => client.get('/flows/desk'),
      start: (client) => client.post('/onboarding/start', { flowId: 'desk' }),
      session: (client) => client.get(`/onboarding/session/${id}`),
      act: (client) => client.post(`/onboarding/track/${id}`, { type: 'x' }),
      step: (client) => client.get('/onboarding/step/company/configuration?flowId=desk'),
      list: (client) => client.get('/onboarding/sessions'),
      statistics: (client) => client.get('/onboarding/statistics?flowId=desk'),
    }
    const may: Record<string, string[]> = {
      participant: ['start', 'session', 'act', 'step', 'list'],
      member: ['start', 'session', 'act', 'step', 'list', 'statistics'],
      analyst: ['flows', 'flow', 'session', 'step', 'list', 'statistics'],
      auditor: [],
      admin: Object.keys(requests),
      nobody: [],
    }
    for (const [role, allowed] of Object.entries(may)) {
      const client = await node.client('acme', 'ann', role)
      for (const [name, request] of Object.entries(requests)) {
        const { status, body } = await request(client)
        if (allowed.includes(name))
          expect(`${role} ${name} ${Math.floor(status / 100)}`).toBe(`${role} ${name} 2`)
        else expect(`${role} ${name} ${status} ${body.code}`).toBe(`${role} ${name} 403 forbidden`)
      }
    }
  })
})

describe('pausing, resuming, giving up', () => {
  test('a paused session rests and goes on where it was; repeats change nothing', async () => {
    const id = await start()
    const paused = await ann.post(`/onboarding/pause/${id}`)
    expect(paused.body.status).toBe('paused')
    const again = await ann.post(`/onboarding/pause/${id}`)
    expect(again.headers.get('etag')).toBe(paused.headers.get('etag'))
    expect(again.headers.get('gangway-position')).toBe(paused.headers.get('gangway-position'))
    expect((await ann.post(`/onboarding/resume/${id}`)).body.status).toBe('active')
    expect((await ann.post(`/onboarding/abandon/${id}`)).body.status).toBe('abandoned')
    expect(said(await ann.post(`/onboarding/resume/${id}`))).toEqual({
      status: 409,
      code: 'session_not_active',
    })
  })

  test('a step can be done again: reopened, or its answer replaced', async () => {
    const id = await start()
    await submit(id, 'welcome')
    await submit(id, 'company', { name: 'Acme', size: 5 })
    expect((await submit(id, 'company', { name: 'Bee', size: 5 })).body.stepData.company.name).toBe('Bee')
    const reopened = await put(id, 'company', { action: 'reopen' })
    expect(reopened.body).toMatchObject({ completedSteps: ['welcome'], currentStep: 'company' })
  })
})

test('a signal is recorded with its value and properties', async () => {
  const id = await start()
  const answer = await ann.post(`/onboarding/track/${id}`, {
    type: 'video_watched',
    value: 0.5,
    properties: { title: 'Tour', nested: { list: [1, null, '\u0000', '\u{1f680}'] } },
  })
  expect(answer.status).toBe(200)
  const events = await Array.fromAsync(node.deps.store.read(`session-acme_${id}`))
  expect(events.at(-1)).toMatchObject({
    type: 'SignalTracked',
    data: {
      signal: 'video_watched',
      value: 0.5,
      properties: { title: 'Tour', nested: { list: [1, null, '\u0000', '\u{1f680}'] } },
    },
  })
  const at = answer.headers.get('gangway-position')
  expect((await member.get(`/onboarding/sessions?after=${at}`)).status).toBe(200)
})

describe('the list', () => {
  test('filters, pages without gap or double, and sees what it was told to wait for', async () => {
    const dora = await node.client('acme', 'dora', 'participant')
    const ids: string[] = []
    let position = ''
    for (let i = 0; i < 7; i++) {
      const { body, headers } = await dora.post('/onboarding/start', { flowId: 'desk' })
      ids.unshift(body.id)
      position = headers.get('gangway-position')!
    }
    const paused = await dora.post(`/onboarding/pause/${ids[2]}`)
    position = paused.headers.get('gangway-position')!
    const seen: string[] = []
    let cursor = ''
    do {
      const { body } = await member.get(
        `/onboarding/sessions?userId=dora&limit=3&after=${position}${cursor && `&cursor=${cursor}`}`,
      )
      seen.push(...body.data.map((session: { id: string }) => session.id))
      cursor = body.nextCursor ?? ''
    } while (cursor)
    expect(seen).toEqual(ids)
    const resting = await dora.get('/onboarding/sessions?status=paused&flowId=desk')
    expect(resting.body.data).toMatchObject([{ id: ids[2], status: 'paused', userId: 'dora' }])
    expect((await dora.get('/onboarding/sessions')).body.data).toHaveLength(7)
    expect((await dora.get('/onboarding/sessions?userId=ann')).body).toEqual({ data: [], nextCursor: null })
    expect((await member.get('/onboarding/sessions?flowId=none')).body.data).toEqual([])
    expect(said(await member.get('/onboarding/sessions?cursor=xyz'))).toEqual({
      status: 422,
      code: 'invalid_input',
    })
    expect(said(await member.get('/onboarding/sessions?status=resting'))).toEqual({
      status: 422,
      code: 'invalid_input',
    })
    const stranger = await node.client('elsewhere', 'dora', 'admin')
    expect((await stranger.get('/onboarding/sessions')).body.data).toEqual([])
  })
})

test('statistics count what happened at each step, as of the position asked for', async () => {
  const eve = await node.client('stats', 'eve', 'admin')
  await eve.post('/flows', flow)
  const id = await start(eve)
  await put(id, 'welcome', { action: 'start' }, eve)
  await submit(id, 'welcome', undefined, eve)
  await submit(id, 'company', { name: 'A' }, eve)
  await submit(id, 'company', { name: 'Acme', size: 1 }, eve)
  await put(id, 'extras', { action: 'skip' }, eve)
  await submit(id, 'company', { name: 'Bee', size: 1 }, eve)
  const done = await eve.post(`/onboarding/complete/${id}`)
  await start(eve)
  const { body } = await eve.get(
    `/onboarding/statistics?flowId=desk&after=${done.headers.get('gangway-position')}`,
  )
  expect(body).toMatchObject({ flowId: 'desk', medianSeconds: expect.any(Number) })
  expect(body.counts.completed).toBe(1)
  const step = (stepId: string) => body.steps.find((step: { stepId: string }) => step.stepId === stepId)
  expect(step('welcome')).toMatchObject({ started: 1, submitted: 1, failedValidations: 0, skipped: 0 })
  expect(step('company')).toMatchObject({ started: 0, submitted: 2, failedValidations: 1, skipped: 0 })
  expect(step('extras')).toMatchObject({ skipped: 1, medianSeconds: null })
  expect(said(await eve.get('/onboarding/statistics?flowId=none'))).toEqual({
    status: 404,
    code: 'flow_unknown',
  })
  expect(said(await eve.get('/onboarding/statistics'))).toEqual({ status: 422, code: 'invalid_input' })
})

test('what steps take is learnt: the estimate follows the measured medians', async () => {
  const fay = await node.client('medians', 'fay', 'admin')
  await fay.post('/flows', flow)
  const minutes = ({ estimatedCompletion, startedAt }: Record<string, string>) =>
    (Date.parse(estimatedCompletion!) - Date.parse(startedAt!)) / 60_000
  const { body: first } = await fay.post('/onboarding/start', { flowId: 'desk' })
  expect(minutes(first)).toBeGreaterThan(10)
  await submit(first.id, 'welcome', undefined, fay)
  const company = await submit(first.id, 'company', { name: 'Acme', size: 1 }, fay)
  await fay.get(`/onboarding/sessions?after=${company.headers.get('gangway-position')}`)
  await new Promise((wake) => setTimeout(wake, 1000))
  const { body: second } = await fay.post('/onboarding/start', { flowId: 'desk' })
  expect(minutes(second)).toBeLessThan(10)
})

describe('steps', () => {
  const base = '/onboarding/step/company/configuration'

  test('show what they ask for, in any version, with their defaults filled in', async () => {
    const { body } = await ann.get(`${base}?flowId=desk`)
    expect(body).toMatchObject({
      flowId: 'desk',
      version: 1,
      id: 'company',
      kind: 'form',
      required: true,
      skippable: false,
      dependsOn: ['welcome'],
      schema: flow.steps[1]!.schema,
    })
    expect((await ann.get(`${base}?flowId=desk&version=1`)).body).toEqual(body)
    expect(said(await ann.get(`${base}?flowId=desk&version=99`))).toEqual({
      status: 404,
      code: 'flow_unknown',
    })
    expect(said(await ann.get(`${base}?flowId=none`))).toEqual({ status: 404, code: 'flow_unknown' })
    expect(said(await ann.get(base))).toEqual({ status: 422, code: 'invalid_input' })
    expect(said(await ann.get(`${base}?flowId=desk&version=0`))).toEqual({
      status: 422,
      code: 'invalid_input',
    })
    const nowhere = await ann.get('/onboarding/step/nowhere/configuration?flowId=desk')
    expect(said(nowhere)).toEqual({ status: 404, code: 'step_unknown' })
  })

  test('say whether data would do, and record nothing', async () => {
    const head = await node.deps.store.head()
    const path = '/onboarding/validate-step/company'
    const good = { name: 'Acme', size: 1 }
    expect((await ann.post(path, { flowId: 'desk', data: good })).body).toEqual({ valid: true, errors: [] })
    const bad = await ann.post(path, { flowId: 'desk', version: 1, data: { name: 'A' } })
    expect(bad.status).toBe(200)
    expect(bad.body.valid).toBe(false)
    expect(bad.body.errors.map((error: { pointer: string }) => error.pointer)).toContain('/data/name')
    const query = (data: string) => ann.get(`${path}?flowId=desk&data=${encodeURIComponent(data)}`)
    expect((await query(JSON.stringify(good))).body).toEqual({ valid: true, errors: [] })
    expect((await query('{"name":"A"}')).body).toEqual(bad.body)
    expect(said(await query('{"name":'))).toEqual({ status: 400, code: 'malformed_json' })
    expect(said(await query('{"a":1e999}'))).toEqual({ status: 422, code: 'invalid_input' })
    expect(said(await ann.post(path, { flowId: 'desk' }))).toEqual({ status: 422, code: 'invalid_input' })
    expect(await node.deps.store.head()).toBe(head)
  })
})

test('two nodes on one log: what one acknowledged the other shows, and keys count on both', async () => {
  const other = await startApiNode(database.connectionString)
  const there = await other.client('acme', 'ann', 'participant')
  const id = await start()
  for (let i = 0; i < 10; i++) {
    const [here, elsewhere] = i % 2 ? [ann, there] : [there, ann]
    const action = i % 2 ? 'resume' : 'pause'
    const key = { 'idempotency-key': `two-${i}` }
    const first = await here.post(`/onboarding/${action}/${id}`, {}, key)
    expect(first.status).toBe(200)
    const read = await elsewhere.get(`/onboarding/session/${id}`)
    expect(read.body).toMatchObject({ status: first.body.status, revision: first.body.revision })
    const again = await elsewhere.post(`/onboarding/${action}/${id}`, {}, key)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toEqual(first.body)
  }
  await other.stop()
})
