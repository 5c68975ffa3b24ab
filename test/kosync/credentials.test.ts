import t from 'tap'
import { keyOfPassword, readCredentials } from '../../src/kosync/credentials.ts'

const basic = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`
const asHeader = (text: string): string => Buffer.from(text).toString('latin1')

t.test('x-auth headers are the user and the key', async (t) => {
  t.same(readCredentials({ 'x-auth-user': 'ann', 'x-auth-key': 'K' }), { username: 'ann', key: 'K' })
})

t.test('header bytes are UTF-8', async (t) => {
  const headers = { 'x-auth-user': asHeader('Łucja 李'), 'x-auth-key': asHeader('kłucz') }
  t.same(readCredentials(headers), { username: 'Łucja 李', key: 'kłucz' })
})

t.test('header bytes that are not UTF-8 are latin1', async (t) => {
  t.same(readCredentials({ 'x-auth-user': 'caf\xe9', 'x-auth-key': 'K\xff' }), { username: 'café', key: 'Kÿ' })
  t.equal(readCredentials({ authorization: basic(Buffer.from([0xff, 0x3a, 0x61])) })?.username, 'ÿ')
})

t.test('Basic carries the password, whose MD5 is the key', async (t) => {
  // printf secret | md5sum
  const expected = { username: 'ann', key: '5ebe2294ecd0e0f08eab7690d2a6ee69' }
  t.same(readCredentials({ authorization: basic('ann:secret') }), expected)
  t.same(readCredentials({ authorization: basic('ann:secret').replace('Basic', 'bAsIc ') }), expected)
})

t.test('a Basic password may hold colons', async (t) => {
  t.equal(readCredentials({ authorization: basic('ann:a:b') })?.key, keyOfPassword('a:b'))
})

t.test('a Basic password in latin1 has the key that KOReader makes of it', async (t) => {
  // printf 'geheimé' | md5sum, in a terminal with UTF-8
  const expected = { username: 'Zoë', key: '50165519002eec0f6b76f661def2cd56' }
  t.same(readCredentials({ authorization: basic(Buffer.from('Zoë:geheimé', 'latin1')) }), expected)
  t.same(readCredentials({ authorization: basic('Zoë:geheimé') }), expected)
})

t.test('x-auth wins over Basic, but only when it is whole', async (t) => {
  const authorization = basic('bob:secret')
  t.equal(readCredentials({ 'x-auth-user': 'ann', 'x-auth-key': 'K', authorization })?.username, 'ann')
  t.equal(readCredentials({ 'x-auth-user': 'ann', authorization })?.username, 'bob')
  t.equal(readCredentials({ 'x-auth-user': '', 'x-auth-key': '', authorization })?.username, 'bob')
})

for (const headers of [
  {},
  { 'x-auth-user': 'ann' },
  { 'x-auth-key': 'K' },
  { authorization: 'Bearer abc' },
  { authorization: 'Basic' },
  { authorization: 'Basic %%%' },
  { authorization: basic('ann') },
  { authorization: basic(':secret') },
  { authorization: basic('ann:') },
]) {
  t.test(`${JSON.stringify(headers)} carries no credentials`, async (t) => {
    t.equal(readCredentials(headers), undefined)
  })
}
