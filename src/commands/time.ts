import ms, { type StringValue } from 'ms'
import { CommandError, exitCodes } from '../command-error.ts'

/** Milliseconds of 100 years: a time that much later still has a year of four digits. */
const longest = 100 * 365.25 * 86_400_000

/** Seconds of `10m`, `2h` or `3d`; throws CommandError. */
export function parseDuration(text: string): number {
  const milliseconds = parseMs(text)
  if (milliseconds !== undefined && milliseconds > longest)
    throw new CommandError(`"${text}" is too long. Pass 100y at most.`, exitCodes.usage)
  if (milliseconds !== undefined && milliseconds > 0) return Math.ceil(milliseconds / 1000)
  throw new CommandError(`"${text}" is not a duration. Pass one such as 10m, 2h or 3d.`, exitCodes.usage)
}

/** Seconds since 1970 of a date, of a date and time of day here, or of so long ago: `2h`. Throws CommandError. */
export function parseTime(text: string): number {
  const ago = parseMs(text)
  const time = ago !== undefined && ago > 0 ? Date.now() - ago : Date.parse(asLocal(text))
  if (!Number.isNaN(time)) return Math.floor(time / 1000)
  throw new CommandError(
    `"${text}" is not a time. Pass 2026-01-31, "2026-01-31 21:30", or 2h for two hours ago.`,
    exitCodes.usage,
  )
}

/** A whole number over 0; throws CommandError. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new CommandError(`"${text}" is not a whole number over 0.`, exitCodes.usage)
}

/** A number needs a unit: ms would take one without for milliseconds, but a user may mean a year. */
function parseMs(text: string): number | undefined {
  return /^\d+(\.\d+)? *[a-z]+$/i.test(text) && text.length < 20 ? ms(text as StringValue) : undefined
}

/** A date alone is the end of that day here, not in Greenwich, a time without seconds that of the minute. */
function asLocal(text: string): string {
  const [, day = '', time = '', rest = ''] = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(.*))?$/.exec(text) ?? []
  // Date takes February 31 for March 3.
  if (day === '' || new Date(`${day}T00:00Z`).getUTCDate() !== Number(day.slice(8))) return ''
  return `${day}T${time || '23:59'}${/^:\d\d/.test(rest) ? rest : `:59${rest}`}`
}
