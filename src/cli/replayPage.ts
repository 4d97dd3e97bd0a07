import { stripVTControlCharacters, styleText } from 'node:util'
import type { Replayed } from '../commands/replaySession.ts'
import type { StoredEvent } from '../domain/envelope.ts'
import type { SessionView, StepView } from '../domain/sessionView.ts'
import { plain } from './faultLine.ts'

export interface Paint {
  readonly colour: boolean
  /** Characters a line. */
  readonly width: number
}

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

/** Narrower terminals show the session above its events. */
const SIDE_BY_SIDE = 110
const LEFT = 46

/** A session as it was and the events that made it, side by side where there is room. */
export function replayPage(id: string, { session, events }: Replayed, paint: Paint): string {
  const left = session ? sessionLines(id, session, paint) : ['the flow of this session is not in the log']
  if (paint.width < SIDE_BY_SIDE) return [...left, '', ...eventTable(events, paint)].join('\n')
  const right = eventTable(events, { ...paint, width: paint.width - LEFT - 3 })
  const lines: string[] = []
  for (let i = 0; i < Math.max(left.length, right.length); i++)
    lines.push(
      `${padded(cut(left[i] ?? '', LEFT), LEFT)} ${style(paint, 'dim', '│')} ${right[i] ?? ''}`.trimEnd(),
    )
  return lines.join('\n')
}

/** A line an event: revision, when it happened, what, who, and the gist of its data. */
export function eventTable(events: readonly StoredEvent[], paint: Paint): string[] {
  const types = Math.max(5, ...events.map(({ type }) => type.length))
  const head = `${'rev'.padStart(5)}  ${'occurred at'.padEnd(20)}  ${'event'.padEnd(types)}  by, and what`
  const rows = events.map((event) => {
    const { revision, type, metadata } = event
    const when = `${metadata.occurredAt.slice(0, 19).replace('T', ' ')}Z`
    const before = `${String(revision).padStart(5)}  ${when.padEnd(20)}  `
    const gist = plain(`${metadata.actor.id}  ${gistOf(event)}`)
    const room = Math.max(10, paint.width - before.length - types - 2)
    return `${style(paint, 'dim', before)}${style(paint, styleOf(type), type.padEnd(types))}  ${cut(gist, room)}`
  })
  return [style(paint, 'bold', cut(head, paint.width)), ...rows]
}

function sessionLines(id: string, session: SessionView, paint: Paint): string[] {
  const line = (name: string, value: string | number | null | undefined) =>
    value === null || value === undefined || value === '' ? [] : [`${name.padEnd(11)}${plain(String(value))}`]
  const marks = session.steps.map((step) => {
    const { mark, name } = MARKS[step.status]
    return `${style(paint, name, `${mark} ${plain(step.stepId)}`)}${note(step)}`
  })
  return [
    style(paint, 'bold', `session ${plain(id)}`),
    ...line('flow', `${session.flowId} v${session.flowVersion}, tenant ${session.tenantId}`),
    ...line('user', session.userId),
    ...line('revision', session.revision),
    ...line('status', session.status),
    ...line('progress', `${bar(session.progress)} ${session.progress} %`),
    ...line('milestones', session.milestones.join(', ')),
    ...line('current', session.currentStep),
    ...line('started', session.startedAt),
    ...line('active', session.lastActivityAt),
    ...line('completed', session.completedAt),
    ...line('estimated', session.estimatedCompletion),
    ...(session.conditionErrors ?? []).flatMap(({ stepId, message }) =>
      line('condition', `${stepId}: ${message}`),
    ),
    '',
    style(paint, 'bold', 'steps'),
    ...marks,
    ...strangers(session).map((stepId) => `${style(paint, 'green', `✓ ${plain(stepId)}`)} (not in the flow)`),
  ]
}

const MARKS: Readonly<Record<StepView['status'], { mark: string; name: Style }>> = {
  completed: { mark: '✓', name: 'green' },
  skipped: { mark: '↷', name: 'yellow' },
  started: { mark: '▸', name: 'cyan' },
  available: { mark: '○', name: 'bold' },
  locked: { mark: '·', name: 'dim' },
  hidden: { mark: '–', name: 'dim' },
}

function note(step: StepView): string {
  if (step.status === 'hidden') return ' (hidden)'
  if (step.waitsFor && step.waitsFor.length > 0) return ` (after ${plain(step.waitsFor.join(', '))})`
  return ''
}

/** Steps of an imported session that its flow does not have. */
function strangers(session: SessionView): string[] {
  const known = new Set(session.steps.map(({ stepId }) => stepId))
  return session.completedSteps.filter((stepId) => !known.has(stepId))
}

const bar = (percent: number) => '█'.repeat(Math.floor(percent / 5)).padEnd(20, '░')

function gistOf({ data }: StoredEvent): string {
  const { stepId, signal, milestone, ...rest } = data
  const named = [stepId, signal, milestone].filter((value) => value !== undefined).join(' ')
  const more = Object.keys(rest).length > 0 ? JSON.stringify(rest) : ''
  return [named, more].filter(Boolean).join('  ')
}

function styleOf(type: string): Style {
  if (type === 'StepCompleted' || type === 'SessionCompleted' || type === 'MilestoneReached') return 'green'
  if (type === 'StepValidationFailed' || type === 'ConditionFailed') return 'red'
  if (type === 'SessionAbandoned' || type === 'SessionPaused' || type === 'StepSkipped') return 'yellow'
  return 'cyan'
}

function style({ colour }: Paint, name: Style, text: string): string {
  return colour ? styleText(name, text, { validateStream: false }) : text
}

const widthOf = (text: string) => [...stripVTControlCharacters(text)].length
const padded = (text: string, width: number) => text + ' '.repeat(Math.max(0, width - widthOf(text)))

/** Cut to a width with an ellipsis; styled text is cut without its style. */
function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  return `${[...stripVTControlCharacters(text)].slice(0, width - 1).join('')}…`
}
