import type { Heard, HeardEvent } from '../doctor/events.ts'
import { sayEvent, type Sentence } from '../doctor/sentences.ts'
import { html, name, time, type Html } from './page.ts'

export interface ShowHeard {
  heard: Heard
  /** The account of the events; undefined for events without an account. */
  username?: string | undefined
  /** Whether the operators' commands are shown. */
  withCommands: boolean
}

/** The events of this process, as sentences with their cures. */
export function showHeard({ heard, username, withCommands }: ShowHeard): Html {
  const { since, basePath, events } = heard
  const scope = html`Since this kss started, ${time(since)}; what it heard before is forgotten.`
  if (events.length === 0) return html`<p>Nothing went wrong. <small>${scope}</small></p>`
  const items = events.map((event) => {
    return showSentence(sayEvent(event, { basePath, username }), withCommands, whenOf(event))
  })
  return html`<ul>
      ${items}
    </ul>
    <p><small>${scope} Where several processes serve the same accounts, each knows its own part.</small></p>`
}

/** A sentence as the item of a list; `more` stands below. */
export function showSentence({ text, cure, command }: Sentence, withCommand: boolean, more?: Html): Html {
  return html`<li>
    <p>
      <strong>${name(text)}</strong> ${name(cure)}
      ${withCommand && command !== undefined && html`<br />In a terminal: <code>${command}</code>`} ${more && html`<br />${more}`}
    </p>
  </li>`
}

function whenOf({ last, count, address }: HeardEvent): Html {
  const times = count === 1 ? undefined : html`, ${count.toLocaleString('en')} times`
  return html`<small>${time(last)}${times}, from ${name(address)}</small>`
}
