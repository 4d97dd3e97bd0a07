/**
 * What glibc is told of this process's memory (mallopt(3)); it reads them before Node is there, so that they stand in the environment it starts
 * with. Left to itself it keeps an arena for each of fifteen threads, and of what it once took for buffers of megabytes gives hardly anything
 * back: an import's memory grew with its length. With these, buffers from 128 KiB on go back to the system when they are let go.
 * Other platforms take no notice.
 */
export const MEMORY_SETTINGS: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
}
