import { crc32 } from 'node:zlib'

/** Which of so many partitions a stream is of: always the same one. */
export function partitionOf(stream: string, partitions: number): number {
  return crc32(stream) % partitions
}
