import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client, Socket } from '../support/client.ts'
import { startTestService, type TestService } from '../support/service.ts'

/** A whole onboarding of eleven steps over real HTTP and a real socket, told in order: each test goes on where the last ended. */
describe('a company sets up its support desk', () => {
  let service: TestService
  let ann: Client
  let auditor: Client
  let socket: Socket
  let session: string
  const answers = new Map<string, unknown>()

  beforeAll(async () => {
    service = await startTestService()
    ann = await service.as('glavito', 'ann', 'participant')
    auditor = await service.as('glavito', 'max', 'auditor')
    const pack = JSON.parse(await readFile(new URL('../../flows/glavito.json', import.meta.url), 'utf8'))
    for (const step of pack.steps) answers.set(step.id, step.schema.examples[0])
  })
  afterAll(async () => {
    await socket?.close()
    await service.stop()
  })

  const submit = (step: string, headers?: Record<string, string>) =>
    ann.put(`/onboarding/step/${session}/${step}`, { data: answers.get(step) }, headers)

  test('the service is ready and describes itself', async () => {
    expect((await ann.get('/health/ready')).status).toBe(200)
    expect((await ann.get('/docs/json')).body.openapi).toMatch(/^3\.1/)
    expect((await ann.get('/asyncapi.json')).body.asyncapi).toMatch(/^3\./)
    expect((await ann.get('/metrics')).body).toContain('gangway_commands_total')
  })

  test('she starts it, and watches it live', async () => {
    const started = await ann.post('/onboarding/start', { flowId: 'glavito', context: { kind: 'company' } })
    expect(started.status).toBe(201)
    expect(started.body).toMatchObject({
      tenantId: 'glavito',
      userId: 'ann',
      flowId: 'glavito',
      flowVersion: 1,
      status: 'active',
      currentStep: 'welcome',
      completedSteps: [],
      skippedSteps: [],
      progress: 0,
      revision: 0,
    })
    expect(started.headers.get('etag')).toBe('"0"')
    session = started.body.id
    socket = await ann.socket()
    socket.send('join_session', { sessionId: session, after: -1 })
    await socket.next('joined')
    expect(await socket.next('session_event')).toMatchObject({ seq: 0, data: { type: 'SessionStarted' } })
  })

  test('a step before its time is refused, naming what it waits for', async () => {
    const refused = await submit('team_management')
    expect(refused.status).toBe(409)
    expect(refused.headers.get('content-type')).toContain('application/problem+json')
    expect(refused.body).toMatchObject({ status: 409, code: 'dependencies_unmet' })
    expect(JSON.stringify(refused.body)).toContain('organization_setup')
    expect((await ann.put(`/onboarding/step/${session}/nowhere`, {})).body).toMatchObject({
      code: 'step_unknown',
      status: 404,
    })
    expect((await ann.put(`/onboarding/step/${session}/welcome`, { action: 'skip' })).body.code).toBe(
      'step_required',
    )
  })

  test('data that does not fit is refused with pointers, and is itself recorded', async () => {
    await submit('welcome')
    const failed = await ann.put(`/onboarding/step/${session}/organization_setup`, { data: { name: 7 } })
    expect(failed.status).toBe(422)
    expect(failed.body.errors.map((error: { pointer: string }) => error.pointer)).toContain('/data/name')
    expect(await socket.next('validation_error')).toMatchObject({ data: { stepId: 'organization_setup' } })
  })

  test('a repeated key is answered as the first time', async () => {
    const key = { 'idempotency-key': 'organization-1' }
    const first = await submit('organization_setup', key)
    const again = await submit('organization_setup', key)
    expect(first.status).toBe(200)
    expect(again.status).toBe(200)
    expect(again.body).toEqual(first.body)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    for (const header of ['etag', 'gangway-position'])
      expect(again.headers.get(header)).toBe(first.headers.get(header))
    const reused = await submit('channel_configuration', key)
    expect([reused.status, reused.body.code]).toEqual([422, 'idempotency_key_reused'])
  })

  test('a stale If-Match is refused', async () => {
    expect((await submit('channel_configuration', { 'if-match': '"0"' })).status).toBe(412)
    const { headers } = await ann.get(`/onboarding/session/${session}`)
    const current = headers.get('etag')!
    expect((await submit('channel_configuration', { 'if-match': current })).status).toBe(200)
  })

  test('she pauses, is refused meanwhile, and resumes', async () => {
    expect((await ann.post(`/onboarding/pause/${session}`)).body.status).toBe('paused')
    const paused = (await ann.get(`/onboarding/session/${session}`)).body.revision
    expect((await ann.post(`/onboarding/pause/${session}`)).body.revision).toBe(paused)
    expect((await submit('ai_configuration')).body.code).toBe('session_not_active')
    expect((await ann.post(`/onboarding/resume/${session}`)).body.status).toBe('active')
  })

  test('it is not complete before its required steps are', async () => {
    const early = await ann.post(`/onboarding/complete/${session}`)
    expect([early.status, early.body.code]).toEqual([409, 'steps_remaining'])
  })

  test('what was written is seen by a read that asks for it', async () => {
    const member = await service.as('glavito', 'lea', 'member')
    for (const step of ['ai_configuration', 'knowledge_base', 'payment_setup', 'team_management']) {
      const { headers, status } = await submit(step)
      expect(status, step).toBe(200)
      const after = headers.get('gangway-position')!
      const { body } = await member.get(`/onboarding/statistics?flowId=glavito&after=${after}`)
      expect(body.steps.find((row: { stepId: string }) => row.stepId === step).submitted).toBe(1)
      const list = await ann.get(`/onboarding/sessions?flowId=glavito&after=${after}`)
      expect(list.body.data[0]).toMatchObject({ id: session, status: 'active' })
    }
  })

  test('the last steps, a skipped one among them, complete it', async () => {
    for (const step of ['workflow_configuration', 'customer_portal'])
      expect((await submit(step)).status, step).toBe(200)
    expect((await ann.put(`/onboarding/step/${session}/data_import`, { action: 'skip' })).status).toBe(200)
    expect((await submit('analytics_setup')).body).toMatchObject({
      progress: 100,
      currentStep: null,
      status: 'active',
    })
    const done = await ann.post(`/onboarding/complete/${session}`)
    expect(done.body).toMatchObject({ status: 'completed', progress: 100, skippedSteps: ['data_import'] })
    expect(done.body.completedSteps).toHaveLength(10)
    await socket.next('onboarding_completed')
    const progress = await ann.get(`/onboarding/progress/${session}`)
    expect(progress.body).toMatchObject({
      percent: 100,
      milestones: [25, 50, 75, 100],
      remainingSteps: [],
      currentStep: null,
    })
  })

  test('her socket saw every event once and in order, all four milestones among them', async () => {
    const { body } = await auditor.get(
      `/audit/streams/${encodeURIComponent(`session-glavito_${session}`)}?limit=100`,
    )
    const numbered = socket.frames.filter((frame) => frame.seq !== undefined)
    expect(numbered.map((frame) => frame.seq)).toEqual(
      body.data.map((event: { revision: number }) => event.revision),
    )
    expect(
      socket.frames.filter(({ event }) => event === 'milestone_reached').map(({ data }) => data.milestone),
    ).toEqual([25, 50, 75, 100])
  })

  test('an auditor sees it as it was at any point, and that nothing was altered', async () => {
    const at = async (point: string | number) =>
      (await auditor.get(`/audit/sessions/${session}?at=${point}`)).body
    const beginning = await at(0)
    expect(beginning.session).toMatchObject({ status: 'active', progress: 0, completedSteps: [] })
    expect(beginning.events).toHaveLength(1)
    const all = await at(1000)
    const paused = all.events.find((event: { type: string }) => event.type === 'SessionPaused')
    expect((await at(paused.revision)).session.status).toBe('paused')
    expect((await at(paused.metadata.occurredAt)).session.status).toBe('paused')
    expect(all.session).toMatchObject({ status: 'completed', progress: 100 })
    expect((await auditor.get('/audit/verify')).body.ok).toBe(true)
  })

  test('another tenant, another participant and a bad token see nothing of it', async () => {
    const other = await service.as('jobprep', 'ann', 'admin')
    expect((await other.get(`/onboarding/session/${session}`)).status).toBe(404)
    const bob = await service.as('glavito', 'bob', 'participant')
    expect((await bob.get(`/onboarding/session/${session}`)).status).toBe(404)
    expect((await bob.post('/onboarding/start', { flowId: 'glavito', userId: 'ann' })).status).toBe(403)
    const nobody = await fetch(`${service.url}/onboarding/session/${session}`)
    expect(nobody.status).toBe(401)
  })
})
