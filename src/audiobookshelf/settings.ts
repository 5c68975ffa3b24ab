import ipaddr from 'ipaddr.js'
import type { Key } from './client.ts'
import { fieldsOf, textOf, type Fields } from './replies.ts'
import { jsonErrorAt } from './json-position.ts'

/** All variables, with the rules of their values. @see docs/audiobookshelf.md */
export const variables = {
  AUDIOBOOKSHELF_BASE_URL: 'an address like https://abs.example or https://abs.example/audiobookshelf',
  AUDIOBOOKSHELF_API_KEY: 'an API key of Audiobookshelf',
  AUDIOBOOKSHELF_API_KEY_FILE: 'a file with an API key of Audiobookshelf',
  AUDIOBOOKSHELF_USER_MAP: 'a JSON object of users and their keys, or @ and the path of a file with one',
  AUDIOBOOKSHELF_USER_ID: 'the id of a user of Audiobookshelf',
  AUDIOBOOKSHELF_USER_TOKEN: 'a token',
  AUDIOBOOKSHELF_DEVICE_NAME: '1 to 64 characters, none of them a control character',
  AUDIOBOOKSHELF_DOCUMENT_MAP: 'a JSON object of documents and ids of items, or false',
  AUDIOBOOKSHELF_HTTP_TIMEOUT: 'a whole number of milliseconds from 100 to 60000',
} as const

export type Variable = keyof typeof variables

/** Variables whose values are never shown. */
export const secrets = new Set<Variable>([
  'AUDIOBOOKSHELF_API_KEY',
  'AUDIOBOOKSHELF_USER_MAP',
  'AUDIOBOOKSHELF_USER_TOKEN',
])

export type Values = Partial<Record<Variable, string>>

/** A user's access to Audiobookshelf. */
export interface UserKey extends Key {
  /** The expected id in `/api/me`; only checked. */
  userId?: string
  /** The device of records that come from Audiobookshelf. */
  device?: string
}

export interface Settings {
  baseUrl: string
  timeoutMs: number
  deviceName: string
  /** For users who are not in the map. */
  defaultKey: UserKey | undefined
  /** False: the bridge does nothing for this user. */
  users: ReadonlyMap<string, UserKey | false>
  /** Items by document; false: not linked. */
  documents: ReadonlyMap<string, string | false>
  /** Lines for a person. */
  warnings: string[]
}

/** An invalid setting; the message is one line with the name of the variable, and without secrets. */
export class SettingError extends Error {}

/** Reads the text of a file; throws as the file system does. */
export type ReadFile = (path: string) => string

/** The settings; undefined if the bridge is off. Throws SettingError. */
export function readSettings(values: Values, readFile: ReadFile): Settings | undefined {
  const given = (name: Variable): string => values[name]?.trim() ?? ''
  if (given('AUDIOBOOKSHELF_BASE_URL') === '') return undefined
  const baseUrl = readBaseUrl(given('AUDIOBOOKSHELF_BASE_URL'))
  const userToken = given('AUDIOBOOKSHELF_USER_TOKEN')
  if (userToken !== '' && !isHeaderText(userToken)) throw bad('AUDIOBOOKSHELF_USER_TOKEN')
  return {
    baseUrl,
    timeoutMs: readTimeout(given('AUDIOBOOKSHELF_HTTP_TIMEOUT') || '5000'),
    deviceName: readDevice(given('AUDIOBOOKSHELF_DEVICE_NAME') || 'Audiobookshelf'),
    defaultKey: readDefaultKey(given, userToken, readFile),
    users: readUsers(given('AUDIOBOOKSHELF_USER_MAP'), userToken, readFile),
    documents: readDocuments(given('AUDIOBOOKSHELF_DOCUMENT_MAP')),
    warnings: isExposed(baseUrl) ? [exposed] : [],
  }
}

const exposed =
  'AUDIOBOOKSHELF_BASE_URL is plain http to a host that may be far away: keys can be read on the way. Use https.'

/** Without the value: it may hold a password. */
function bad(name: Variable, what = `expected ${variables[name]}`): SettingError {
  return new SettingError(`${name}: ${what}.`)
}

function readBaseUrl(text: string): string {
  if (!/^https?:\/\/[^\s?#@\\]+$/i.test(text) || !URL.canParse(text)) throw bad('AUDIOBOOKSHELF_BASE_URL')
  return new URL(text).href.replace(/\/$/, '')
}

/** Whether the URL is plain http to a host outside this machine and private networks. */
function isExposed(baseUrl: string): boolean {
  const { protocol, hostname } = new URL(baseUrl)
  if (protocol === 'https:') return false
  const host = hostname.replace(/^\[|\]$/g, '')
  if (ipaddr.isValid(host)) return ipaddr.process(host).range() === 'unicast'
  return !/^[^.]+$|\.(?:localhost|local|lan|internal|home|home\.arpa)$/.test(host)
}

function readTimeout(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : 0
  if (number < 100 || number > 60_000) throw bad('AUDIOBOOKSHELF_HTTP_TIMEOUT')
  return number
}

function readDevice(text: string): string {
  if (!isDevice(text)) throw bad('AUDIOBOOKSHELF_DEVICE_NAME')
  return text
}

function isDevice(text: string): boolean {
  return /^[^\p{Cc}\p{Cs}]{1,64}$/u.test(text)
}

/** Characters that are valid in an HTTP header. */
function isHeaderText(text: string): boolean {
  return /^[\x21-\x7e]{1,4096}$/.test(text)
}

function readDefaultKey(given: (name: Variable) => string, userToken: string, readFile: ReadFile): UserKey | undefined {
  const path = given('AUDIOBOOKSHELF_API_KEY_FILE')
  const direct = given('AUDIOBOOKSHELF_API_KEY')
  if (path !== '' && direct !== '') throw bad('AUDIOBOOKSHELF_API_KEY_FILE', 'AUDIOBOOKSHELF_API_KEY is set too')
  const name = path === '' ? 'AUDIOBOOKSHELF_API_KEY' : 'AUDIOBOOKSHELF_API_KEY_FILE'
  const apiKey = path === '' ? direct : readFrom(name, path, readFile).trim()
  if (apiKey === '' && path === '') return undefined
  if (!isHeaderText(apiKey)) throw bad(name)
  const userId = given('AUDIOBOOKSHELF_USER_ID')
  return { apiKey, ...(userToken !== '' && { userToken }), ...(userId !== '' && { userId }) }
}

function readFrom(name: Variable, path: string, readFile: ReadFile): string {
  try {
    return readFile(path)
  } catch (error) {
    throw bad(name, `cannot read the file (${(error as NodeJS.ErrnoException).code})`)
  }
}

function readUsers(text: string, userToken: string, readFile: ReadFile): Map<string, UserKey | false> {
  const name = 'AUDIOBOOKSHELF_USER_MAP'
  const json = text.startsWith('@') ? readFrom(name, text.slice(1), readFile) : text
  const entries = Object.entries(readObject(name, json))
  return new Map(entries.map(([user, value], at) => [user, readUser(value, at + 1, userToken)]))
}

/** Errors name an entry by its number: a key may stand in the place of the name. */
function readUser(value: unknown, number: number, userToken: string): UserKey | false {
  if (value === false) return false
  const fields = typeof value === 'string' ? { api_key: value } : fieldsOf(value)
  const apiKey = firstOf(fields, 'api_key', 'apiKey', 'token')
  const userId = firstOf(fields, 'user_id', 'userId', 'id')
  const device = firstOf(fields, 'device', 'deviceName', 'device_name')
  const token = firstOf(fields, 'user_token', 'userToken') || userToken
  const wrong = (what: string): SettingError => bad('AUDIOBOOKSHELF_USER_MAP', `entry ${number} ${what}`)
  if (!isHeaderText(apiKey)) throw wrong('has no api_key: expected a key as text, {"api_key": …} or false')
  if (token !== '' && !isHeaderText(token)) throw wrong('has a user_token that no header can carry')
  if (device !== '' && !isDevice(device))
    throw wrong(`has a device that is not ${variables.AUDIOBOOKSHELF_DEVICE_NAME}`)
  return {
    apiKey,
    ...(token !== '' && { userToken: token }),
    ...(userId !== '' && { userId }),
    ...(device !== '' && { device }),
  }
}

function firstOf(fields: Fields, ...names: string[]): string {
  const name = names.find((each) => fields[each] !== undefined)
  return name === undefined ? '' : textOf(fields[name]).trim()
}

/** Ids that are valid in a path without escapes; ids are UUIDs. */
export function isItemId(text: string): boolean {
  return /^\w[\w-]{0,63}$/.test(text)
}

function readDocuments(text: string): Map<string, string | false> {
  const name = 'AUDIOBOOKSHELF_DOCUMENT_MAP'
  return new Map(
    Object.entries(readObject(name, text)).map(([document, item], at) => {
      if (item === false || (typeof item === 'string' && isItemId(item))) return [document, item]
      throw bad(name, `entry ${at + 1} is neither the id of an item nor false`)
    }),
  )
}

/** An empty text is an empty object. */
function readObject(name: Variable, text: string): Fields {
  const json = text.trim()
  if (json === '') return {}
  const position = jsonErrorAt(json)
  if (position !== undefined) throw bad(name, `not JSON at character ${position}`)
  const value = JSON.parse(json) as unknown
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(name)
  return value as Fields
}
