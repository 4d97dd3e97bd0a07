import { readdir, readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { Compile } from 'typebox/compile'
import { type FlowDefinition, flowDefinitionSchema } from '../domain/flowDefinition.ts'

/** A flow that comes with the service, and the tenant it is published to: both are called alike. */
export interface FlowPack {
  readonly tenant: string
  readonly definition: FlowDefinition
}

const folder = new URL('../../flows/', import.meta.url)

/** The flow packs of the folder `flows`, by name. Throws on one that is no flow definition: then the build is broken. */
export async function loadFlowPacks(): Promise<FlowPack[]> {
  const shape = Compile(flowDefinitionSchema)
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort()
  return Promise.all(
    files.map(async (file) => {
      const definition: unknown = JSON.parse(await readFile(new URL(file, folder), 'utf8'))
      const tenant = basename(file, '.json')
      if (!shape.Check(definition) || definition.id !== tenant)
        throw new Error(`flows/${file} is no flow pack`)
      return { tenant, definition }
    }),
  )
}
