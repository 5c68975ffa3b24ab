import { hex, request, row, show, utf8, type Row } from './row.ts'

/** How other protocols begin, and noise: not one is HTTP. */
const greetings: Record<string, string> = {
  'TLS 1.2': hex('1603010200010001fc0303') + '\x5a'.repeat(509),
  'TLS 1.3 in small records': hex('1603010005 0100000100'),
  'a TLS alert': hex('15030300020228'),
  'SSL 2': hex('802e0100020015000000100100800200800300800400800500800600400700c0'),
  SSH: 'SSH-2.0-OpenSSH_9.6\r\n',
  'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  'a frame of HTTP/2': hex('00000401000000000182868441'),
  'a WebSocket frame': hex('818537fa213d7f9f4d5158'),
  SMTP: 'EHLO evil.example\r\n',
  FTP: 'USER anonymous\r\n',
  IMAP: 'a1 LOGIN a b\r\n',
  POP3: 'USER ann\r\nPASS x\r\n',
  IRC: 'NICK ann\r\nUSER ann 0 * :ann\r\n',
  SIP: 'INVITE sip:ann@kss SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n',
  RTSP: 'DESCRIBE rtsp://kss/x RTSP/1.0\r\nCSeq: 1\r\n\r\n',
  Gopher: '/\r\n',
  Finger: 'ann\r\n',
  Redis: '*1\r\n$4\r\nPING\r\n',
  'Redis, inline': 'CONFIG SET dir /tmp\r\n',
  memcached: 'stats\r\n',
  MQTT: hex('101000044d5154540402003c0004') + 'kobo',
  AMQP: 'AMQP\0\0\x09\x01',
  PostgreSQL: hex('0000000804d2162f'),
  MySQL: hex('2000000185a67f0000000001210000000000000000000000000000000000000000000000'),
  MongoDB: hex('3a000000010000000000000ad40700000000000061646d696e2e24636d6400'),
  LDAP: hex('300c020101600702010304008000'),
  SMB: hex('00000054ff534d4272000000001801280000000000000000'),
  RDP: hex('0300001302e00000000000010008000b000000'),
  VNC: 'RFB 003.008\n',
  SOCKS4: hex('04010050 7f000001 00'),
  SOCKS5: hex('050100'),
  'PROXY, version 1': `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${request('GET /healthcheck')}`,
  'PROXY, version 2': hex('0d0a0d0a000d0a515549540a2111000c') + request('GET /healthcheck'),
  DNS: hex('001d1234010000010000000000000377777707657861 6d706c6500'),
  BitTorrent: '\x13BitTorrent protocol',
  'Java objects': hex('aced0005 7372'),
  'Java RMI': 'JRMI\0\x02K',
  Minecraft: hex('fe01fa'),
  X11: hex('6c000b00000000000000'),
  Telnet: hex('fffd18fffd20fffd23'),
  AJP: hex('12340001 0a'),
  FastCGI: hex('0101000100080000 0001000000000000'),
  uwsgi: hex('00130000'),
  'an answer': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'an empty chunk': '0\r\n\r\n',
  'a header': 'Host: kss\r\n\r\n',
  JSON: '{"username":"eve","password":"x"}\r\n\r\n',
  HTML: '<html>\r\n\r\n',
  'a shell': '() { :; }; id\r\n\r\n',
  'a request after a byte order mark': `${utf8('\ufeff')}${request('GET /healthcheck')}`,
  'a request in UTF-16': Buffer.from(request('GET /healthcheck'), 'utf16le').toString('latin1'),
  'a request backwards': request('GET /healthcheck').split('').toReversed().join(''),
  'all bytes': Array.from({ length: 256 }, (_byte, code) => String.fromCharCode(code)).join(''),
}

const sizes = [1, 100, 20_000, 100_000]

export function notHttpRows(): Row[] {
  return [
    ...Object.entries(greetings).map(([name, bytes]) => row(`speaks ${name}`, '400 400', bytes)),
    ...['\0', '\xff', 'X', '%', '\x16', '~'].flatMap((byte) =>
      sizes.map((size) => row(`${size} of ${show(byte)}`, '400 400', byte.repeat(size))),
    ),
    ...Array.from({ length: 20 }, (_row, seed) => row(`noise ${seed}`, '400 400', noise(seed + 1, 5000))),
    // Node's parser takes these versions, though not their form, and the answer is one of HTTP/1.1.
    row('HTTP/0.9', '200', 'GET /healthcheck\r\n\r\n'),
    row('HTTP/0.9 by name', '200', 'GET /healthcheck HTTP/0.9\r\n\r\n'),
    row('HTTP/2 by name', '200', 'GET /healthcheck HTTP/2.0\r\nHost: kss\r\n\r\n'),
  ]
}

/** The same bytes for the same seed (xorshift), the first of which begins no method. */
function noise(seed: number, length: number): string {
  let state = seed * 2_654_435_761
  const bytes = Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return String.fromCharCode(state & 0xff)
  })
  return `\x80${bytes.join('')}`
}
