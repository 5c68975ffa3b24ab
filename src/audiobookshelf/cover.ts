import { Refusal } from '../console/refusal.ts'
import type { File, ReaderVisit } from '../console/route.ts'
import { isFailure } from './failure.ts'
import type { PageParts } from './pages.ts'
import { isItemId } from './settings.ts'

/** The cover of an item, asked for with the key of the user: browsers ask kss alone. */
export async function showCover({ bridge }: PageParts, { account, params }: ReaderVisit): Promise<File> {
  const { access, client } = bridge.parts
  const id = params['id']!
  const key = await access.keyOf(account)
  const cover = key && isItemId(id) ? await client().getCover(key, id) : undefined
  if (!cover || isFailure(cover)) throw new Refusal(404, 'There is no such cover', 'Audiobookshelf has none.')
  return { file: cover.image, type: cover.type }
}
