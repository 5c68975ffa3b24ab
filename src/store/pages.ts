/** The pages of a list, one after the other. */
export async function* eachPage<Page extends { next?: string }>(
  read: (cursor?: string) => Promise<Page>,
): AsyncGenerator<Page> {
  let cursor: string | undefined
  do {
    const page = await read(cursor)
    yield page
    cursor = page.next
  } while (cursor !== undefined)
}
