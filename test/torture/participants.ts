import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Retrying, sameAnswer, send } from './client.ts'
import type { Answer, Told } from './history.ts'

export const FLOW = 'torture'

/** Published for each tenant: every kind of step that a command can do something to. */
export const flow = {
  id: FLOW,
  title: 'Torture',
  abandonAfterHours: 87_600,
  steps: [
    {
      id: 'profile',
      title: 'Profile',
      kind: 'form',
      schema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
    },
    { id: 'plan', title: 'Plan', kind: 'form', dependsOn: ['profile'] },
    { id: 'tour', title: 'Tour', kind: 'content', required: false },
    {
      id: 'large',
      title: 'Large',
      kind: 'form',
      required: false,
      dependsOn: ['plan'],
      visibleWhen: 'answers.profile.n > 500',
    },
  ],
}

export interface ParticipantOptions extends Retrying {
  readonly name: string
  readonly tenant: string
  readonly token: string
  /** A participant of another tenant, who must never see anything of this one's. */
  readonly stranger: string
  /** Sessions that many write to. */
  readonly hot: readonly string[]
  readonly pauseMs: number
}

/** Goes through sessions as a person with a bad connection and too many ideas would, until told to stop. */
export async function participant(options: ParticipantOptions): Promise<void> {
  const { name, tenant, token, history, random, going } = options
  let session: string | undefined
  for (let n = 0; going(); n++) {
    const target = session && random.chance(0.75) ? session : random.pick(options.hot)
    const command = session === undefined ? start() : commandOn(target, n)
    const told: Told = { tenant, token, key: `${name}-${n}`, lost: [], ...command }
    history.commands.push(told)
    const answer = await ask(told, options)
    if (!answer) return
    told.answer = answer
    history.count('commands')
    if (told.lost.length > 0) history.count('commands retried')
    judge(told, answer)
    if (session === undefined) session = answer.body.id as string | undefined
    else if (target === session && (answer.body.status === 'completed' || answer.body.status === 'abandoned'))
      session = undefined
    else if (random.chance(0.02)) session = undefined
    if (random.chance(0.1)) await askAgain(told, answer)
    if (random.chance(0.05)) await look(target)
    await delay(random.between(0, options.pauseMs))
  }

  function start(): Pick<Told, 'method' | 'path' | 'body' | 'records'> {
    return { method: 'POST', path: '/onboarding/start', body: { flowId: FLOW }, records: true }
  }

  function commandOn(id: string, n: number): Pick<Told, 'method' | 'path' | 'body' | 'records'> {
    const on = (action: string) =>
      ({ method: 'POST', path: `/onboarding/${action}/${id}`, body: undefined, records: false }) as const
    const step = (stepId: string, body: unknown, records: boolean) =>
      ({ method: 'PUT', path: `/onboarding/step/${id}/${stepId}`, body, records }) as const
    const stepId = random.pick(['profile', 'plan', 'tour', 'large'])
    const draw = random.next()
    const hot = options.hot.includes(id)
    if (draw < 0.35)
      return { ...on('track'), body: { type: 'looked', value: random.between(1, 9) }, records: true }
    if (draw < 0.65) return step(stepId, { data: { n: random.between(1, 1000) } }, true)
    if (draw < 0.7) return step('profile', { data: { n: 'many' } }, false)
    if (draw < 0.78) return step(stepId, { action: 'save', data: { draft: `${name} ${n}` } }, true)
    if (draw < 0.83) return step(stepId, { action: 'start' }, false)
    if (draw < 0.87) return step('tour', { action: random.pick(['skip', 'reopen']) }, false)
    if (draw < 0.91) return on('pause')
    if (draw < 0.98 || hot) return on('resume')
    return on(random.pick(['complete', 'abandon']))
  }

  function judge(told: Told, answer: Answer): void {
    if (answer.status === 404 || answer.status === 401 || answer.status === 403 || answer.status === 400)
      history.violated(
        1,
        `${answer.status} ${answer.body?.code} to ${told.method} on what was acknowledged`,
        told,
      )
    if (answer.status < 300 && answer.body.tenantId !== tenant)
      history.violated(6, `${tenant} was shown a session of ${answer.body.tenantId}`, told)
  }

  /** Soon after, perhaps on another node. */
  async function askAgain(told: Told, answer: Answer): Promise<void> {
    if (answer.position === null) return
    const again = await ask({ ...told, lost: [] }, options)
    if (!again) return
    history.count('asked again')
    if (!sameAnswer(answer, again))
      history.violated(1, 'an answer was another when asked again', { told, again })
  }

  async function look(id: string): Promise<void> {
    const url = random.pick(options.urls)
    const path = `/onboarding/session/${id}`
    const seen = await send(url, { method: 'GET', path, body: undefined, token: options.stranger }).catch(
      () => undefined,
    )
    if (seen && seen.status === 200) history.violated(6, `a stranger was shown ${id}`, seen)
    if (seen) history.count('strangers turned away')
  }
}
