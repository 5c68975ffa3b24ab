import type { Visit } from './route.ts'

/** Safe HTML: all text in it is escaped. Only the template below makes it. */
class Fragment {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

export type Html = Fragment

/** A value in a template: text is escaped, undefined and false are left out, lists are joined. */
export type Part = Html | string | number | undefined | false | readonly Part[]

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** A template whose values are escaped, unless they are templates themselves. Attributes must stand in quotes. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Fragment(String.raw({ raw: strings }, ...parts.map(textOf)))
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return ''
  if (part instanceof Fragment) return part.toString()
  if (typeof part === 'object') return part.map(textOf).join('')
  return String(part).replace(/[&<>"']/g, (character) => entities[character]!)
}

/** A stranger's text: its direction of writing must not change that of the text around it. */
export function name(text: string): Html {
  return html`<bdi>${text}</bdi>`
}

/**
 * A moment in seconds since 1970, as `Sun, 17 Mar 2030 17:46 UTC`; where scripts run, script.js makes it `Sunday 18:46`,
 * or a similar phrase, in the zone of the browser.
 */
export function time(seconds: number): Html {
  const date = new Date(seconds * 1000)
  // A hand edit can make any number of it.
  if (Number.isNaN(date.getTime())) return html`an unknown time`
  return html`<time datetime="${date.toISOString()}" data-time>${date.toUTCString().slice(0, -':40 GMT'.length)} UTC</time>`
}

/** A fraction, as readers show it. */
export function percentage(fraction: number): string {
  return `${Math.round(fraction * 100)} %`
}

/** A form that posts to a path of the console, with the visit's token. */
export function form(visit: Visit, path: string, content: Part): Html {
  return html`<form method="post" action="${visit.base}${path}">
    <input type="hidden" name="token" value="${visit.token}" />
    ${content}
  </form>`
}

export interface FieldOptions {
  label: string
  name: string
  /** The name, if left out: for a page with two fields of one name. */
  id?: string
  type?: 'text' | 'password'
  value?: string
  autocomplete?: 'username' | 'current-password' | 'new-password' | 'off'
  maxlength?: number
}

/** A field of a form, with its label above. */
export function field(options: FieldOptions): Html {
  const { label, name: key, id = key, type = 'text', value = '', autocomplete = 'off', maxlength = 255 } = options
  return html`<p>
    <label for="${id}">${label}</label>
    <input
      id="${id}"
      name="${key}"
      type="${type}"
      value="${value}"
      autocomplete="${autocomplete}"
      maxlength="${maxlength}"
      autocapitalize="none"
      spellcheck="false"
      required
    />
  </p>`
}

export function button(label: string): Html {
  return html`<p><button type="submit">${label}</button></p>`
}

/** A confirmation or an error, at the top of a page. */
export function notice(text: Part, kind: 'status' | 'alert' = 'status'): Html {
  return html`<p class="notice" role="${kind}">${text}</p>`
}

export interface LayoutOptions {
  title: string
  body: Html
  /** The prefix of the URLs of links and assets. */
  base: string
  assets: { style: string; script: string }
  /** The navigation of a signed-in account; undefined for others. */
  navigation?: Html | undefined
}

/** A whole page. */
export function layout({ title, body, base, assets, navigation }: LayoutOptions): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · kss</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${base}/assets/${assets.style}" />
        <script src="${base}/assets/${assets.script}" defer></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the page</a>
        <header>${navigation ?? html`<p><a href="${base}/">kss</a></p>`}</header>
        <main id="main">
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `.toString()
}

const pages = [
  ['/books', 'Books'],
  ['/devices', 'Readers'],
  ['/help', 'Help'],
  ['/account', 'Account'],
] as const

/** The account's name and the navigation. `token` is that of the session; `extra` is a page of an optional part. */
export function links(
  base: string,
  path: string,
  isOperator: boolean,
  token: string,
  extra?: readonly [string, string],
): Html {
  const shown = [...pages, ...(extra ? [extra] : []), ...(isOperator ? [['/admin', 'Operator'] as const] : [])]
  const items = shown.map(([to, label]) => {
    const isHere = path === to || path.startsWith(`${to}/`)
    return html`<li><a href="${base}${to}" ${isHere && html` aria-current="page"`}>${label}</a></li>`
  })
  return html`<nav aria-label="kss">
    <ul>
      ${items}
      <li>
        <form method="post" action="${base}/sign-out">
          <input type="hidden" name="token" value="${token}" /><button type="submit">Sign out</button>
        </form>
      </li>
    </ul>
  </nav>`
}
