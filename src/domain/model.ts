import type { Decider } from './decider.ts'
import type { ModelEvent, TrainedModel } from './modelEvents.ts'

export interface ModelState {
  /** The latest version. */
  readonly latest: TrainedModel | undefined
}

/** `after` is the version that training knew, 0 for none: where somebody else was faster, theirs stays. */
export interface RecordModel {
  readonly type: 'RecordModel'
  readonly after: number
  readonly model: Omit<TrainedModel, 'version'>
}

/** The models of one flow. Streams of category `model`; the id is the flow's. */
export const modelDecider: Decider<ModelState, RecordModel, ModelEvent> = {
  initial: { latest: undefined },
  decide({ after, model }, { latest }) {
    const version = latest?.version ?? 0
    return version > after ? [] : [{ type: 'ModelTrained', data: { ...model, version: version + 1 } }]
  },
  evolve: (_state, { data }) => ({ latest: data }),
}
