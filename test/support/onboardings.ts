import { hour } from './history.ts'
import { seeded } from './seeded.ts'

export const STEPS = ['welcome', 'profile', 'identity', 'payment', 'tour']

/**
 * Lines of sessions whose fate is known: at each step one goes on with a chance of its own, in which `identity` loses most of those who
 * come there, and sessions on a `phone` go on less often at every step. Steps take some hours; who stops is abandoned three days
 * later.
 */
export function onboardings(sessions: number, seed = 1): object[] {
  const next = seeded(seed)
  const lines: object[] = []
  for (let n = 0; n < sessions; n++) {
    const session = `s${n}`
    const phone = next() < 0.4
    let at = n * 0.5
    lines.push({ session, attributes: { device: phone ? 'phone' : 'desktop' }, user: `u${n}`, at: hour(at) })
    let met = 0
    for (const step of STEPS) {
      const stays = (step === 'identity' ? 0.6 : 0.93) - (phone ? 0.2 : 0)
      if (next() > stays) break
      at += 0.5 + next() * 3
      lines.push({ session, step, at: hour(at), data: { n } })
      met += 1
    }
    const completed = met === STEPS.length
    lines.push({
      session,
      status: completed ? 'completed' : 'abandoned',
      at: hour(completed ? at + 0.1 : at + 72),
    })
  }
  return lines
}
