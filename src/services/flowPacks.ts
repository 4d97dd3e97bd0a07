import { readdir, readFile } from 'node:fs/promises'
import type { FlowDefinition } from '../domain/flowDefinition.ts'

const folder = new URL('../../flows/', import.meta.url)

/** The flows that come with the service, each for the tenant of the same name: data, in `flows/`. */
export async function loadFlowPacks(): Promise<{ tenant: string; definition: FlowDefinition }[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort()
  return Promise.all(
    files.map(async (file) => {
      const definition = JSON.parse(await readFile(new URL(file, folder), 'utf8')) as FlowDefinition
      return { tenant: definition.id, definition }
    }),
  )
}
