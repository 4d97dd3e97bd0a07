/** 64 Ki numbers of 32 bits. */
export const BLOCK_BYTES = 1 << 18
/** 32 MiB a thread. */
const MOST_SPARE = 128

/** Gives a block of memory, `BLOCK_BYTES` long, with anything in it. */
export type TakeBlock = () => ArrayBufferLike

export interface Lease {
  readonly take: TakeBlock
  /** Nobody reads the blocks any more. */
  readonly end: () => void
}

/**
 * Memory that queries write on one after another: if each allocated its own, the engine would collect garbage during nearly every one of
 * them. Shared, so that another thread can read it without a copy.
 */
export function createScratch(): { readonly lease: () => Lease } {
  const spare: SharedArrayBuffer[] = []
  return {
    lease: () => {
      const taken: SharedArrayBuffer[] = []
      return {
        take: () => {
          const block = spare.pop() ?? new SharedArrayBuffer(BLOCK_BYTES)
          taken.push(block)
          return block
        },
        end: () => {
          spare.push(...taken.splice(0, Math.max(0, MOST_SPARE - spare.length)))
        },
      }
    },
  }
}
