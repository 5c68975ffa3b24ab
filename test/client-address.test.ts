import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { addressList, clientOf, forwardedAddress } from '../src/client-address.ts'

for (const [one, other, same] of [
  ['192.0.2.1', '192.0.2.1', true],
  ['192.0.2.1', '192.0.2.2', false],
  ['192.0.2.1', '::ffff:192.0.2.1', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
  ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
  ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
  ['2001:db8::1', '2001:0DB8:0000:0000:1::', true],
  ['::1', '::2', true],
  ['192.0.2.1:1234', '192.0.2.1:1235', true],
  ['192.0.2.1:1234', '192.0.2.2:1234', false],
  ['[2001:db8::1]:1234', '[2001:db8::1]', true],
  ['2001:db8::1', '[2001:db8::1]:99', true],
  ['unknown', 'unknown', true],
  ['unknown', '', false],
] as const) {
  t.test(`${one} and ${other} are ${same ? 'one client' : 'two clients'}`, async (t) => {
    t.equal(clientOf(one) === clientOf(other), same)
  })
}

t.test('a list holds addresses and ranges of both versions', async (t) => {
  const holds = addressList(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1'])
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.1', '2001:db8:1::1', '::1', '10.1.2.3:99', '[::1]:99'])
    t.ok(holds(address))
  for (const address of ['11.1.2.3', '192.0.2.2', '2001:db9::1', '::2', '', 'unknown']) t.notOk(holds(address))
  t.notOk(addressList([])('127.0.0.1'))
})

for (const [remoteAddress, forwarded, client] of [
  ['192.0.2.9', undefined, '192.0.2.9'],
  ['192.0.2.9', '192.0.2.1', '192.0.2.9'],
  ['10.0.0.1', undefined, '10.0.0.1'],
  ['10.0.0.1', '', '10.0.0.1'],
  ['10.0.0.1', '192.0.2.1', '192.0.2.1'],
  ['10.0.0.1', 'made up, 192.0.2.1 ,, 10.0.0.2', '192.0.2.1'],
  ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['10.0.0.1', '192.0.2.1:1234, 10.0.0.2:99', '192.0.2.1:1234'],
  [undefined, '192.0.2.1', ''],
] as const) {
  t.test(`from ${remoteAddress} for ${forwarded} comes a request of ${client}`, async (t) => {
    const headers = { 'x-forwarded-for': forwarded }
    const request = { headers, socket: { remoteAddress } } as unknown as IncomingMessage
    t.equal(forwardedAddress(request, addressList(['10.0.0.0/8'])), client)
  })
}
