import { daysToGo, detectableLift, type Plan, plannedPower, requiredUnits } from '../statistics/power.ts'

/** What is known before an experiment, or during it. */
export interface PowerQuestion {
  /** The control's mean of a unit; for a conversion its rate. */
  readonly mean: number
  /** Of a unit; a conversion's follows from its rate. */
  readonly variance?: number
  /** Relative to the mean; without it only what can be found is answered. */
  readonly lift?: number
  /** Arms, control included; 2 unless told. */
  readonly arms?: number
  readonly alpha?: number
  readonly power?: number
  readonly sequential?: boolean
  readonly tuning?: number
  /** Units of all arms there will be, or are. */
  readonly units?: number
  readonly unitsPerDay?: number
}

export interface PowerAnswer {
  /** Of all arms and of one, for the lift asked about; null when no number of units would do. */
  readonly requiredUnits: number | null
  readonly unitsPerArm: number | null
  /** From the units that are there, at the present rate. */
  readonly daysToGo: number | null
  /** What `units` give: the chance to find the lift, and the smallest lift found at the wanted power. */
  readonly power: number | null
  readonly detectableLift: number | null
}

/** Sample size, time to go, power and smallest lift, whichever the question allows; null for the rest. */
export function powerPlan(question: PowerQuestion): PowerAnswer {
  const { mean, lift, arms = 2, alpha = 0.05, power = 0.8, units, unitsPerDay } = question
  const variance = question.variance ?? mean * (1 - mean)
  const known = {
    mean,
    variance,
    arms,
    alpha,
    ...(question.sequential ? { tuning: question.tuning ?? 5000 } : {}),
  }
  const plan: Plan | undefined = lift === undefined ? undefined : { ...known, lift }
  const required = plan ? requiredUnits(plan, power) : null
  return {
    requiredUnits: required,
    unitsPerArm: required === null ? null : required / arms,
    daysToGo:
      required === null || unitsPerDay === undefined ? null : daysToGo(required - (units ?? 0), unitsPerDay),
    power: plan && units ? plannedPower(plan, units) : null,
    detectableLift: units ? detectableLift(known, units, power) : null,
  }
}
