import type { AnyProjection, AnyTable, Tally } from './projection.ts'
import { type Slotted, sumsOf, withSlot } from './slots.ts'

/**
 * A projection and those that look at its rows: they share one checkpoint and are rebuilt and swapped together. Most families have
 * one member.
 */
export interface Family {
  /** The root's name. */
  readonly name: string
  /** Grows with the version of any member. */
  readonly version: number
  /** Into how many the rows are divided; see `partitionOf`. */
  readonly partitions: number
  /** The root first. */
  readonly members: readonly AnyProjection[]
  readonly root: AnyProjection
  readonly children: readonly AnyProjection[]
  /** Every event type that any member folds. */
  readonly types: ReadonlySet<string>
  readonly models: readonly Model[]
}

/** A table of a family: a projection's own, or that of one of its tallies. */
export interface Model {
  readonly name: string
  readonly version: number
  /** As it is stored. */
  readonly table: AnyTable
  /** Where partitions keep rows of their own: how these are read as one. */
  readonly slotted?: Slotted
}

export function familiesOf(projections: readonly AnyProjection[]): Family[] {
  const known = new Set(projections)
  for (const { name, parent } of projections) {
    if (parent?.parent) throw new Error(`the parent of ${name} has itself a parent`)
    if (parent && !known.has(parent)) throw new Error(`the parent of ${name} is not among the projections`)
  }
  for (const { name, parent, partitions, merge } of projections)
    if (parent ? partitions !== undefined : merge !== undefined)
      throw new Error(`${name}: roots have partitions, and their children may merge`)
  for (const { name, table, merge } of projections)
    if (merge && Object.keys(sumsOf(table)).some((column) => !merge[column]))
      throw new Error(`${name} does not say of every column how it is merged`)
  return projections.filter(({ parent }) => !parent).map((root) => familyOf(root, projections))
}

function familyOf(root: AnyProjection, projections: readonly AnyProjection[]): Family {
  const children = projections.filter(({ parent }) => parent === root)
  const members = [root, ...children]
  const { partitions = 1 } = root
  return {
    name: root.name,
    version: members.reduce((sum, { version }) => sum + version, 0),
    partitions,
    members,
    root,
    children,
    types: new Set(members.flatMap(({ types }) => types)),
    models: members.flatMap(({ name, version, table, merge, tallies = [] }) => [
      partitions > 1 && merge
        ? slotted(name, version, { table, merge, hidesZeros: false })
        : { name, version, table },
      ...tallies.map((tally: Tally<object>) =>
        partitions > 1
          ? slotted(tally.name, version, {
              table: tally.table,
              merge: sumsOf(tally.table),
              hidesZeros: true,
            })
          : { name: tally.name, version, table: tally.table },
      ),
    ]),
  }
}

function slotted(name: string, version: number, as: Slotted): Model {
  return { name, version, table: withSlot(as.table), slotted: as }
}

export function modelNamed({ models }: Family, name: string): Model {
  return models.find((model) => model.name === name)!
}

/** The family that a read model belongs to, by the name of any of its tables. */
export function familyNamed(families: readonly Family[], name: string): Family | undefined {
  return families.find(({ models }) => models.some((model) => model.name === name))
}

/** The table of one generation of a model: `sessions_v1_g2`. */
export function tableName({ name, version }: Model, generation: number): string {
  return `${name}_v${version}_g${generation}`
}
