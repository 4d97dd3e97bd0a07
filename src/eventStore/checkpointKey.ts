import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { keepSecret, readSecret } from '../keptSecret.ts'

/** The Ed25519 key (RFC 8032) that signs what was seen of the log. */
export interface CheckpointKey {
  readonly id: string
  /** SPKI, PEM. */
  readonly publicKey: string
  sign(text: string): string
  verify(text: string, signature: string): boolean
}

/**
 * The key of a folder (`key.pem`, mode 600, and `key.pub.pem` to hand out), made when there is none yet. Two processes that make it at
 * the same time end up with the same one.
 */
export async function openCheckpointKey(folder: string): Promise<CheckpointKey> {
  const file = join(folder, 'key.pem')
  return checkpointKey(createPrivateKey((await readSecret(file)) ?? (await makeKey(folder, file))))
}

export function checkpointKey(privateKey: KeyObject): CheckpointKey {
  const publicKey = createPublicKey(privateKey)
  return {
    id: createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex')
      .slice(0, 16),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64url'),
    verify: (text, signature) =>
      verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64url')),
  }
}

async function makeKey(folder: string, file: string): Promise<string> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const agreed = await keepSecret(file, pem.trim())
  await writeFile(join(folder, 'key.pub.pem'), checkpointKey(createPrivateKey(agreed)).publicKey)
  return agreed
}
