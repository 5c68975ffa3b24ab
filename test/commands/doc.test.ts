import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { partialMd5 } from '../../src/document-id.ts'
import type { Progress } from '../../src/kosync/protocol.ts'
import { pushed } from '../store/contract.ts'
import { run, runJson } from './run.ts'
import { dune, folder, now, places, serveHere, stateFolder } from './state-fixture.ts'
import { byName } from '../store/by-name.ts'

/** alice's folder with more books: by metadata, by a file name, without a name, and with an evil one. */
function library(t: Test): Promise<string> {
  return stateFolder(t, async (store) => {
    const put = (document: string, more: Partial<Progress>): Promise<unknown> =>
      byName(store).putProgress('alice', { ...pushed, document, ...more })
    await put('aaaa1111', { percentage: 0.9, metadata: { title: 'Emma', filename: 'e.epub' } })
    await put('aaaa2222', { percentage: 0.8, metadata: { filename: 'emma.epub' } })
    await put('cccc3333', { percentage: 2, device: '\u001b[31mred\u202eder\u0007', timestamp: now })
    await put('dddd4444', { percentage: 0.1, metadata: { title: 'Emma' } })
    await store.createUser({ username: 'bob', key: 'K' })
  })
}

const documentsOf = (records: Progress[]): string[] => records.map(({ document }) => document)

t.test('books are listed by their last push, or by how far they are', async (t) => {
  const dir = await library(t)
  const recent = documentsOf(await runJson(dir, 'doc', 'list', 'alice'))
  t.same(recent.slice(0, 2), ['cccc3333', dune])
  const far = documentsOf(await runJson(dir, 'doc', 'list', 'alice', '--sort', 'percentage'))
  t.same(far, ['cccc3333', 'aaaa1111', 'aaaa2222', 'dddd4444', dune])
  const { stdout } = await run(dir, 'doc', 'list', 'alice')
  t.match(stdout, /^TITLE +DOCUMENT +AT +DEVICE +LAST SYNC\n/)
  t.match(stdout, new RegExp(`^Dune +${dune} +3\\.0 % +Kobo +\\d{4}-`, 'm'))
  t.match(stdout, /^emma\.epub +aaaa2222 +80\.0 % +kpw +1970-/m)
  t.match(await run(dir, 'doc', 'list', 'bob'), { stdout: 'bob has no documents yet.\n' })
  t.match(await run(dir, 'doc', 'list', 'alice', '--sort', 'name'), { code: 2, stderr: /Allowed choices are recent/ })
})

t.test('control characters of a reader never reach the terminal', async (t) => {
  const dir = await library(t)
  for (const args of [
    ['doc', 'list', 'alice'],
    ['doc', 'show', 'alice', 'cccc'],
    ['device', 'list', 'alice'],
  ]) {
    const { stdout } = await run(dir, ...args)
    t.match(stdout, '\\u{1b}[31mred\\u{202e}der\\u{7}')
    t.notMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
  }
})

t.test('control characters of a title reach no error message either', async (t) => {
  const metadata = { title: 'Em\u001bma' }
  const dir = await stateFolder(t, async (store) => {
    for (const document of ['aaaa1', 'aaaa2'])
      await byName(store).putProgress('alice', { ...pushed, document, metadata })
  })
  for (const args of [
    ['doc', 'show', 'alice', 'aaaa'],
    ['history', 'restore', 'alice', 'aaaa1'],
    ['doc', 'rm', 'alice', 'aaaa1'],
  ]) {
    t.match((await run(dir, ...args)).stderr, /Em\\u\{1b\}ma/)
  }
})

t.test('a book is shown with how its position changed, the last changes unless all are asked for', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    for (let number = 1; number <= 40; number++) {
      await byName(store).putProgress('alice', {
        ...pushed,
        progress: `${number}`,
        percentage: number / 40,
        timestamp: number,
      })
    }
  })
  const { stdout } = await run(dir, 'doc', 'show', 'alice', 'DUNE')
  t.match(stdout, new RegExp(`^Dune \\(${dune}\\)\n# +TIME +DEVICE +AT\n1 +.* Phone +10\\.0 % +███\n2 `))
  t.match(await runJson(dir, 'doc', 'show', 'alice', dune), { document: dune, title: 'Dune', history: places })
  const last = (await run(dir, 'doc', 'show', 'alice', 'abc')).stdout.split('\n')
  t.equal(last[0], 'abc')
  t.equal(last[1], '10 earlier changes: --all shows them.')
  t.match(last[3], /^11 /)
  t.match(last.at(-2), /^40 .* 100\.0 % +█{30}$/)
  t.match((await run(dir, 'doc', 'show', 'alice', 'abc', '--all')).stdout.split('\n')[2], /^1 /)
})

t.test('a document is meant by its id, by the beginning of it, or by its title', async (t) => {
  const dir = await library(t)
  for (const [asked, document] of [
    [dune, dune],
    ['35322', dune],
    ['dune', dune],
    ['EMMA.EPUB', 'aaaa2222'],
    ['aaaa1', 'aaaa1111'],
    ['AAAA1', 'aaaa1111'],
    ['3333', 'cccc3333'],
    ['une', dune],
    ['e.ep', 'aaaa1111'],
    ['dddd4444', 'dddd4444'],
  ] as const) {
    t.match(await runJson(dir, 'doc', 'show', 'alice', asked), { document }, asked)
  }
  const none = (asked: string): RegExp =>
    new RegExp(`^alice has no document ${asked}; there are .*Dune.*cccc3333.* See kss doc list alice\\.\n$`)
  for (const [asked, stderr] of [
    ['353', none('353')],
    ['Solaris', none('Solaris')],
    ['', none('')],
    [
      'Emma',
      /^Emma matches 2 documents: Emma \((aaaa1111|dddd4444)\), Emma \(.*\)\. Pass a longer part of the title or id\.\n$/,
    ],
    ['aaaa', /^aaaa matches 2 documents: .*Pass a longer part of the title or id\.\n$/],
  ] as const) {
    for (const command of [['show'], ['rm', '--yes']]) {
      const [name = '', ...flags] = command
      t.match(await run(dir, 'doc', name, 'alice', asked, ...flags), { code: 1, stderr, stdout: '' }, asked)
    }
  }
  t.match(await run(dir, 'doc', 'show', 'carl', 'Dune'), { code: 1, stderr: /^There is no user carl\./ })
})

for (const beside of [false, true]) {
  t.test(`books are named and removed ${beside ? 'beside a running server' : 'without a server'}`, async (t) => {
    const dir = await library(t)
    if (beside) await serveHere(t, dir)
    t.match(await run(dir, 'doc', 'name', 'alice', 'cccc', 'Ulysses\u0007'), {
      stdout: 'cccc3333 is "Ulysses\\u{7}" now.\n',
    })
    t.match(await runJson(dir, 'doc', 'show', 'alice', 'ulysses\u0007'), { document: 'cccc3333' })
    t.match(await run(dir, 'doc', 'name', 'alice', 'cccc', ''), {
      stdout: 'cccc3333 has no title of its own any more.\n',
    })
    const asks = 'Remove Dune (35322b7036d0c3298eedde8c30429693) of alice with 4 changes? Not a terminal. Pass --yes.\n'
    t.match(await run(dir, 'doc', 'rm', 'alice', 'Dune'), { code: 2, stderr: asks })
    t.match(await run(dir, 'doc', 'rm', 'alice', 'Dune', '--yes'), {
      code: 0,
      stdout: `Dune (${dune}) is gone. The next push of a reader begins anew.\n`,
    })
    t.equal((await runJson<unknown[]>(dir, 'doc', 'list', 'alice')).length, 4)
    t.match(await run(dir, 'doc', 'show', 'alice', 'Dune'), { code: 1 })
  })
}

t.test('a long title is found by a part, and by accents of another form; long lists are cut', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    for (let number = 10; number < 24; number++) {
      await byName(store).putProgress('alice', {
        ...pushed,
        document: `x${number}`,
        metadata: { title: `Volume ${number}` },
      })
    }
    const metadata = { title: 'L’e\u0301te\u0301, a novel in many words', filename: '1954.epub' }
    await byName(store).putProgress('alice', { ...pushed, document: 'abcd', metadata })
  })
  for (const asked of ['été', 'NOVEL', '1954', 'l’été']) {
    t.match(await runJson(dir, 'doc', 'show', 'alice', asked), { document: 'abcd' }, asked)
  }
  const { stderr } = await run(dir, 'doc', 'show', 'alice', 'volume')
  t.match(stderr, /^volume matches 14 documents: (Volume \d\d \(x\d\d\)(, )?){10} and 4 more\. Pass a longer /)
  t.match(await run(dir, 'doc', 'show', 'alice', 'Emma'), { stderr: / and 6 more\. See kss doc list alice\.\n$/ })
  await run(dir, 'user', 'add', 'bob', '--random')
  t.match(await run(dir, 'doc', 'show', 'bob', 'Emma'), { code: 1, stderr: 'bob has no documents yet.\n' })
})

t.test('a book file tells which positions are in it', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    await store.createUser({ username: 'bob', key: 'K' })
    await byName(store).putProgress('bob', { ...pushed, document: dune })
  })
  const books = await folder(t)
  const [book, other] = [join(books, 'minimal-v3plus2.epub'), join(books, 'other.epub')]
  await writeFile(book, 'a book')
  await writeFile(other, 'another')
  const { stdout } = await run(dir, 'doc', 'identify', book, other)
  t.match(
    stdout,
    /^USER +DOCUMENT +AT +DEVICE +LAST SYNC\nalice +35322b.* 3\.0 % +Kobo .*\nbob +35322b.* 50\.0 % +kpw /m,
  )
  t.match(stdout, /\n\n[^]*other\.epub[^]*\nNo position in it\.\n$/)
  t.match(await runJson(dir, 'doc', 'identify', '--user', 'bob', book), [
    { filename: dune, positions: [{ username: 'bob', record: { document: dune } }] },
  ])
  t.match(await run(dir, 'doc', 'identify', '--user', 'carl', book), { code: 1, stderr: /^There is no user carl\./ })
})

for (const beside of [false, true]) {
  t.test(`two ids of a book are joined ${beside ? 'beside a running server' : 'without a server'}`, async (t) => {
    const dir = await library(t)
    if (beside) await serveHere(t, dir)
    const asks = 'Join Emma (aaaa1111) with 1 change to Emma (dddd4444) of alice? Not a terminal. Pass --yes.\n'
    t.match(await run(dir, 'doc', 'merge', 'alice', 'aaaa1111', 'dddd'), { code: 2, stderr: asks })
    t.match(await run(dir, 'doc', 'merge', 'alice', 'dune', 'dddd', '--yes'), {
      code: 0,
      stdout:
        /^Data folder: .*\nDune \(dddd4444\) has both histories now, and is at 3\.0 %, where Kobo left it on .*\.\n35322b\w+ is gone\.\n$/,
    })
    t.match(await runJson(dir, 'doc', 'show', 'alice', 'dddd'), { history: { length: 5 } })
    t.match(await runJson(dir, 'doc', 'merge', 'alice', 'aaaa1', 'dddd', '--yes'), { document: 'dddd4444' })
    t.same(documentsOf(await runJson(dir, 'doc', 'list', 'alice')).length, 3)
    for (const [from, into, stderr] of [
      ['dddd4444', 'dddd', 'dddd4444 and dddd are the same document.\n'],
      ['aaaa1111', 'dddd', /^alice has no document aaaa1111; there are /],
      ['dddd', 'none', /^alice has no document none; there are /],
    ] as const) {
      t.match(await run(dir, 'doc', 'merge', 'alice', from, into, '--yes'), { code: 1, stderr, stdout: '' })
    }
  })
}

/** alice's folder with a book of two readers, one of which matches by content, and another book. */
function twoMethods(t: Test, theirs: Partial<Progress>, ours: Partial<Progress> = {}): Promise<string> {
  return stateFolder(t, async (store) => {
    await byName(store).putProgress('alice', { ...pushed, document: 'c0ffee', device: 'Kobo_nova', ...theirs })
    await byName(store).putProgress('alice', { ...places[3]!, device: 'KindlePaperWhite5', ...ours })
    await byName(store).putProgress('alice', {
      ...pushed,
      document: 'other',
      metadata: { title: 'Emma', filename: 'e.epub' },
    })
  })
}

const filename = 'minimal-v3plus2.epub'

t.test('readers that match a book by different methods are told', async (t) => {
  const advice =
    'Dune is there twice. Kobo_nova matches by content, KindlePaperWhite5 by file name: set the same on both.\n' +
    `To join the two: kss doc merge alice c0ffee ${dune}\n`
  for (const [theirs, ours] of [
    [{ metadata: { filename, title: 'Dune' } }, {}],
    [{ metadata: { title: 'Dune' } }, { metadata: { title: 'Dune', filename } }],
    [{ metadata: { title: 'Dune', filename: 'dune.epub' } }, { metadata: { title: 'Dune', filename } }],
  ] as const) {
    const dir = await twoMethods(t, theirs, ours)
    for (const command of ['doc', 'device']) {
      const { stdout } = await run(dir, command, 'list', 'alice')
      t.equal(stdout.split('\n\n')[1], advice, command)
    }
  }
})

t.test('nobody is told to change the method of a restore', async (t) => {
  const theirs = { device: 'kss', device_id: 'kss', metadata: { filename, title: 'Dune' } }
  const dir = await twoMethods(t, theirs, { device: '' })
  const advice = 'A reader matches by content, a reader without a name by file name: set the same on both.'
  t.match((await run(dir, 'doc', 'list', 'alice')).stdout, `Dune is there twice. ${advice}\n`)
})

t.test('one reader that changed its method is told too, and the newer id stays', async (t) => {
  const theirs = { device: 'KindlePaperWhite5', timestamp: now, metadata: { filename } }
  const { stdout } = await run(await twoMethods(t, theirs), 'doc', 'list', 'alice')
  t.equal(
    stdout.split('\n\n')[1],
    `${filename} is there twice. KindlePaperWhite5 matched by content and by file name.\n` +
      `To join the two: kss doc merge alice ${dune} c0ffee\n`,
  )
})

t.test('books that only look alike are not told', async (t) => {
  for (const [theirs, ours] of [
    [{ metadata: { title: 'Dune' } }, {}],
    [{ metadata: { title: 'Dune', filename: 'dune.epub' } }, { metadata: { title: 'Dune', filename: 'd.epub' } }],
    [{ metadata: { title: 'Dune Messiah' } }, { metadata: { title: 'Dune', filename } }],
  ] as const) {
    t.notMatch((await run(await twoMethods(t, theirs, ours), 'doc', 'list', 'alice')).stdout, 'twice')
  }
})

t.test('a book file tells of readers that match it by different methods', async (t) => {
  const book = join(await folder(t), filename)
  await writeFile(book, 'a book')
  const document = await partialMd5(book)
  const dir = await twoMethods(t, { document })
  const { stdout } = await run(dir, 'doc', 'identify', book)
  t.match(stdout, `Kobo_nova matches by content, KindlePaperWhite5 by file name: set the same on both.\n`)
  t.match(stdout, `kss doc merge alice ${document} ${dune}\n`)
  const alone = await stateFolder(t, (store) => byName(store).putProgress('alice', { ...pushed, document }))
  await run(alone, 'doc', 'rm', 'alice', 'Dune', '--yes')
  t.notMatch((await run(alone, 'doc', 'identify', book)).stdout, 'twice')
})

t.test('a book file that cannot be read is one line', async (t) => {
  t.match(await run(await stateFolder(t), 'doc', 'identify', '/none.epub'), {
    code: 1,
    stderr: "Cannot read /none.epub: ENOENT: no such file or directory, open '/none.epub'\n",
  })
})

t.test('fields of a record that are no text are ignored, and kss check names them', async (t) => {
  const dir = await stateFolder(t)
  const fields = { title: 5, device: ['x'], device_id: {}, metadata: { title: 1984, filename: 7, authors: null } }
  const record = { ...pushed, document: 'abcd1234', ...fields }
  await writeFile(join(dir, 'alice', 'abcd1234.json'), JSON.stringify(record))
  for (const args of [
    ['doc', 'list', 'alice'],
    ['doc', 'show', 'alice', 'abcd1234'],
    ['device', 'list', 'alice'],
    ['export', 'alice', '--format', 'csv', '-o', join(await folder(t), 'all.csv')],
    ['check'],
    ['history', 'prune', 'alice', '--keep', '1', '--yes'],
    ['doc', 'name', 'alice', 'abcd1234', 'Emma'],
  ]) {
    const { code, stdout, stderr } = await run(dir, ...args)
    t.match({ code, stderr }, { code: 0, stderr: '' }, args.join(' '))
    if (args[0] === 'check')
      t.match(
        stdout,
        'abcd1234.json has a value of the wrong type: device, device_id, title, metadata.filename, metadata.title',
      )
  }
})
