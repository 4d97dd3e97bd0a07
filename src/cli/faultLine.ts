import type { VerifyReport } from '../eventStore/verifyLog.ts'

/** One line that names the first fault: where it is, what kind it is, and what is known of it. */
export function faultLine({ firstFault, faults }: Pick<VerifyReport, 'firstFault' | 'faults'>): string {
  if (!firstFault) return 'no fault'
  const { stream, tenant, revision, position, after, problem, detail } = firstFault
  const where = [
    stream !== undefined
      ? `stream ${plain(stream)}`
      : tenant !== undefined
        ? `tenant ${plain(tenant)}`
        : 'the log',
    revision === undefined ? '' : `revision ${revision}`,
    position !== undefined ? `position ${position}` : after !== undefined ? `after position ${after}` : '',
  ]
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
  return `FAULT at ${where.filter(Boolean).join(', ')}: ${problem.replaceAll('_', ' ')}: ${plain(detail)}${more}`
}

/** Without what a terminal would obey. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�')
}
