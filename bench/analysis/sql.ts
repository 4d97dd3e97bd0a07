import { START } from './synthetic.ts'

const DAY = 86_400_000
const WINDOW = 7 * DAY

/** The chain of first events, step after step, from the first entry. */
function chain(steps: number): string {
  const parts = [
    `m0 as materialized (select session, min(ts) t0, min(ts) t from events where step = 0 group by session)`,
  ]
  for (let step = 1; step < steps; step++) {
    parts.push(`m${step} as materialized (
      select m.session, m.t0, min(e.ts) t from m${step - 1} m join events e on e.session = m.session
      where e.step = ${step} and e.ts > m.t and e.ts <= m.t0 + ${WINDOW} group by m.session, m.t0)`)
  }
  return `with ${parts.join(',\n')}`
}

const each = (steps: number, part: (step: number) => string) =>
  Array.from({ length: steps }, (_, step) => part(step))

/** One row: the units that reached each step. */
export const funnelSql = (steps: number): string =>
  `${chain(steps)} select ${each(steps, (step) => `(select count(*) from m${step})`).join(', ')}`

/** A row a plan, in the order of their names. */
export const breakdownSql = (steps: number): string => `${chain(steps)}
  select ${each(steps, (step) => `count(m${step}.session)`).join(', ')}
  from (select session, plan from events where step = -1) s join m0 on m0.session = s.session
  ${each(steps - 1, (step) => `left join m${step + 1} on m${step + 1}.session = s.session`).join('\n')}
  group by s.plan order by 'plan' || s.plan`

/** A row a week of first events; who came back in each week from then on. */
export const retentionSql = (periods: number): string => {
  const week = (time: string) => `floor((${time} + ${START + 3 * DAY}) / ${7 * DAY}.0)`
  return `with f as (select session, min(ts) t from events where step = 0 group by session),
    b as (select distinct f.session, ${week('f.t')} c, ${week('e.ts')} - ${week('f.t')} n
          from f join events e on e.session = f.session where e.step >= 0 and e.ts >= f.t)
    select ${each(periods, (n) => `count(*) filter (where n = ${n})`).join(', ')} from b group by c order by c`
}
