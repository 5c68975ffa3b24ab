import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from './account.ts'
import { Client, describe, type Answer } from './client.ts'
import type { DocumentModel } from './document-model.ts'
import type { Random } from './random.ts'
import type { Report } from './report.ts'

export interface Accounts {
  /** They push all the time, from two devices each. */
  readers: readonly Account[]
  /** They come, change and go. */
  guests: readonly Account[]
}

/** What all the workers of one server share. */
interface Shift {
  url: string
  random: Random
  report: Report
  over: boolean
  /** The server was told to stop: it may answer 503. */
  stopping: boolean
  /** Readers' files cannot be written: pushes may be answered with 503. */
  blocked: boolean
}

export interface Load {
  /** From now on a 503 is no surprise. */
  expectStop: () => void
  /** Resolves when nothing is in flight. */
  end: () => Promise<void>
}

/** Changes of accounts while a server lives: each makes it hash a key. */
const guestSteps = 6

/** Pushes and changes of accounts, until the server is gone or `end` is called. */
export function startLoad(
  url: string,
  { readers, guests }: Accounts,
  random: Random,
  report: Report,
  blocked: boolean,
): Load {
  const shift: Shift = { url, random, report, over: false, stopping: false, blocked }
  const work = [...readers.flatMap((reader) => devicesOf(reader, shift)), visit(guests, shift)]
  return {
    expectStop: () => {
      shift.stopping = true
    },
    end: async () => {
      shift.over = true
      await Promise.all(work)
    },
  }
}

/** Each has documents of its own; the last document is on both. */
function devicesOf(reader: Account, shift: Shift): Promise<void>[] {
  const { documents } = reader
  return ['kobo', 'phone'].map(async (device, at) => {
    const client = new Client(shift.url)
    const own = documents.filter((_document, index) => index % 2 === at || index === documents.length - 1)
    await Promise.all(own.map((document) => read(client, reader, document, device, shift)))
    client.close()
  })
}

async function read(
  client: Client,
  reader: Account,
  document: DocumentModel,
  device: string,
  shift: Shift,
): Promise<void> {
  while (!shift.over) {
    const answer = await reader.push(client, document, device, shift.report)
    if (!judge(answer, shift.blocked ? [200, 503] : [200], shift)) return
    // A reader asks less often then.
    if (answer?.status === 503) await sleep(50)
    if (shift.random.chance(0.85)) await sleep(shift.random.between(0, 40))
  }
}

/** One step after the other: nobody changes an account from two places at once. */
async function visit(guests: readonly Account[], shift: Shift): Promise<void> {
  const client = new Client(shift.url)
  const late: Promise<void>[] = []
  for (let step = 0; step < guestSteps && !shift.over; step++) {
    const guest = shift.random.pick(guests)
    if (!(await takeStep(client, guest, late, shift))) break
  }
  await Promise.all(late)
  client.close()
}

/** Whether the server is still there. */
async function takeStep(client: Client, guest: Account, late: Promise<void>[], shift: Shift): Promise<boolean> {
  const { random, report } = shift
  if (!guest.login) return (await guest.create(client, report)) && (await pushAll(client, guest, shift))
  if (random.chance(0.4)) return (await guest.changeKey(client, report)) && (await pushAll(client, guest, shift))
  if (!(await pushAll(client, guest, shift))) return false
  // Pushes of the last moment: some come too late, and are refused.
  late.push(
    ...guest.documents.map(async (document) => {
      judge(await guest.push(client, document, 'late', report), [200, 401], shift)
    }),
  )
  if (!(await guest.delete(client, report))) return false
  return random.chance(0.3) || (await guest.create(client, report))
}

async function pushAll(client: Client, guest: Account, shift: Shift): Promise<boolean> {
  const push = async (document: DocumentModel): Promise<boolean> =>
    judge(await guest.push(client, document, 'tablet', shift.report), [200], shift)
  return (await Promise.all(guest.documents.map(push))).every(Boolean)
}

/** Whether it is one of those that say that the server goes on. */
function judge(answer: Answer | undefined, expected: number[], { report, stopping }: Shift): boolean {
  if (!answer) return false
  if (expected.includes(answer.status)) return true
  if (!(stopping && answer.status === 503)) report.violate(`a push was answered with ${describe(answer)}`)
  return false
}
