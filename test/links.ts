import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Relative links in the pages of a folder and of its docs/ that lead to no file, or to no heading of it: `page: link`. */
export async function brokenLinks(folder: string): Promise<string[]> {
  const root = pathToFileURL(join(folder, '/'))
  const inDocs = (await readdir(new URL('docs/', root))).map((name) => `docs/${name}`)
  const pages = [...(await readdir(root)), ...inDocs].filter((name) => name.endsWith('.md'))
  const broken = []
  for (const page of pages) {
    const text = await readFile(new URL(page, root), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\(((?!https?:)[^)]+)\)/g)) {
      if (!(await leadsSomewhere(new URL(link, new URL(page, root))))) broken.push(`${page}: ${link}`)
    }
  }
  return broken
}

async function leadsSomewhere(target: URL): Promise<boolean> {
  const { hash } = target
  target.hash = ''
  try {
    await access(target)
  } catch {
    return false
  }
  return !hash || anchorsOf(await readFile(target, 'utf8')).includes(hash)
}

/** The anchors that GitHub makes of headings. */
function anchorsOf(markdown: string): string[] {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase())
  return headings.map((heading) => `#${heading.replace(/[^\w\- ]/g, '').replaceAll(' ', '-')}`)
}
