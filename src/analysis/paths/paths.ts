import type { UnitKind } from '../columns/columnarIndex.ts'
import { oneOf } from '../funnel/funnelQuery.ts'
import { codeFilters } from '../plan/coding.ts'
import { parseTime } from '../plan/duration.ts'
import { type Envelope, envelope, type Outcome } from '../plan/envelope.ts'
import { type Fault, Faults } from '../plan/fault.ts'
import { type CompiledFilter, compileFilter, type EventFilter } from '../plan/filter.ts'
import { checkSegment, segmentMask } from '../plan/groups.ts'
import type { AnalysisSource } from '../plan/source.ts'

export interface PathsQuery {
  readonly flowId?: string
  /** Where paths begin: each unit's first such event; its first event of all when absent. */
  readonly from?: EventFilter
  /** Where they end; units that do not get there within `depth` are left out. */
  readonly to?: EventFilter
  /** Events after the first that are followed, 1 to 50. */
  readonly depth?: number
  /** The most travelled links that are kept, 1 to 1000. */
  readonly limit?: number
  readonly unit?: UnitKind
  readonly segment?: string
  readonly asOf?: string
}

/** What was done `step` events after the beginning. */
interface PathNode {
  readonly name: string
  readonly step: number
  /** Units that did it there. */
  readonly count: number
}

/** Units that did `to` right after `from`, which was `step` events after the beginning. */
interface PathLink {
  readonly from: string
  readonly to: string
  readonly step: number
  readonly count: number
}

export interface Paths {
  readonly nodes: readonly PathNode[]
  readonly links: readonly PathLink[]
}

/** What people did after, or between, two events: a graph without circles, as links lead from one step to the next. */
export function queryPaths(query: unknown, source: AnalysisSource): Outcome<Paths> {
  const began = performance.now()
  const checked = check(query, source)
  if ('faults' in checked) return checked
  const warnings = new Set<string>()
  const { nodes, links } = count(checked, source, (message) => warnings.add(message))
  const kept = links.sort((a, b) => b.count - a.count || a.step - b.step).slice(0, checked.limit)
  if (links.length > kept.length)
    warnings.add(`of ${links.length} links the ${kept.length} most travelled are shown`)
  const shown = new Set(kept.flatMap(({ from, to, step }) => [`${step}:${from}`, `${step + 1}:${to}`]))
  const about = { query, asOf: checked.asOf, position: source.index.position, began, warnings }
  const answer: Paths & Envelope = {
    nodes: nodes
      .filter(({ name, step }) => shown.has(`${step}:${name}`) || kept.length === links.length)
      .sort((a, b) => a.step - b.step || b.count - a.count),
    links: kept,
    ...envelope(about),
  }
  return { answer }
}

interface Checked {
  readonly from: CompiledFilter | undefined
  readonly to: CompiledFilter | undefined
  readonly depth: number
  readonly limit: number
  readonly unit: UnitKind
  readonly segment: string | undefined
  readonly asOf: number
}

const FIELDS = ['flowId', 'from', 'to', 'depth', 'limit', 'unit', 'segment', 'asOf']

function check(value: unknown, source: AnalysisSource): Checked | { readonly faults: readonly Fault[] } {
  const faults = new Faults()
  const query = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  for (const key of Object.keys(query)) if (!FIELDS.includes(key)) faults.at(key).add('unknown field')
  const known = { index: source.index, steps: new Set(source.steps) }
  const filter = (key: 'from' | 'to') =>
    query[key] === undefined ? undefined : compileFilter(query[key], known, faults.at(key))
  const whole = (key: 'depth' | 'limit', otherwise: number, most: number) => {
    const number = query[key] ?? otherwise
    if (Number.isInteger(number) && (number as number) >= 1 && (number as number) <= most)
      return number as number
    faults.at(key).add(`must be a whole number from 1 to ${most}`)
    return otherwise
  }
  const checked = {
    from: filter('from'),
    to: filter('to'),
    depth: whole('depth', 5, 50),
    limit: whole('limit', 50, 1000),
    unit: oneOf(query.unit, ['session', 'user'] as const, faults.at('unit')),
    segment:
      query.segment === undefined ? undefined : checkSegment(query.segment, source, faults.at('segment')),
    asOf: query.asOf === undefined ? source.now : (parseTime(query.asOf, faults.at('asOf')) ?? source.now),
  }
  return faults.list.length > 0 ? { faults: faults.list } : checked
}

function count(
  { from, to, depth, unit, segment, asOf }: Checked,
  source: AnalysisSource,
  warn: (message: string) => void,
): { nodes: PathNode[]; links: PathLink[] } {
  const view = source.index.view(unit)
  const any = { name: 'any', filter: { any: true as const }, where: null }
  const filters = [from ?? any, to ?? any, any]
  const { runs, codes, matches, counted } = codeFilters(filters, source.index, view, asOf, warn)
  const mask = segmentMask(segment, source, unit, asOf)
  const nodes = new Map<string, { name: string; step: number; count: number }>()
  const links = new Map<string, { from: string; to: string; step: number; count: number }>()
  const path: string[] = []
  const names = source.index.codes.codes.map(({ name }) => name)
  for (const [r, run] of runs.entries()) {
    const original = view.runs[r]!.code
    for (let slot = 0; slot < run.unit.length; slot++) {
      if (run.stale?.[slot] || (mask && !mask[run.unit[slot]!])) continue
      path.length = 0
      let arrived = to === undefined
      for (let i = run.start[slot]!; i < run.start[slot + 1]! && path.length <= depth; i++) {
        const c = run.code[i]!
        if (run.time[i]! > asOf) break
        if (counted[c] === 0 || (path.length === 0 && matches[c] !== 1)) continue
        path.push(names[original[i]!]!)
        if (to && path.length > 1 && matches[codes + c] === 1) {
          arrived = true
          break
        }
      }
      if (arrived) add(path, nodes, links)
    }
  }
  return { nodes: [...nodes.values()], links: [...links.values()] }
}

function add(
  path: readonly string[],
  nodes: Map<string, { name: string; step: number; count: number }>,
  links: Map<string, { from: string; to: string; step: number; count: number }>,
): void {
  for (const [step, name] of path.entries()) {
    const node = nodes.get(`${step}:${name}`)
    if (node) node.count += 1
    else nodes.set(`${step}:${name}`, { name, step, count: 1 })
    const to = path[step + 1]
    if (to === undefined) break
    const key = JSON.stringify([step, name, to])
    const link = links.get(key)
    if (link) link.count += 1
    else links.set(key, { from: name, to, step, count: 1 })
  }
}
