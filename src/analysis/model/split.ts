import { hash } from 'node:crypto'

/**
 * Whether a row is kept from training, for three in ten, by its id alone: the same rows are held out on every machine
 * and in every refit.
 */
export const heldOut = (id: string): boolean =>
  Number.parseInt(hash('sha256', id, 'hex').slice(0, 8), 16) % 10 < 3
