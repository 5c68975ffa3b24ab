import t from 'tap'
import { html, name, percentage, time, type Part } from '../../src/console/page.ts'

t.test('a template escapes what it is given, but not other templates', async (t) => {
  const title = `<script>alert("1")</script> & 'x'`
  t.equal(
    html`<p title="${title}">!${title}</p>`.toString(),
    '<p title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;">' +
      '!&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;</p>',
  )
  const items = ['<a>', '<b>'].map((each) => html`<li>${each}</li>`)
  t.equal(html`${items}`.toString(), '<li>&lt;a&gt;</li><li>&lt;b&gt;</li>')
  t.equal(html`${undefined}${false}${0}${'\\n'}`.toString(), '0\\n')
  const forged = { toString: () => '<b>' } as unknown as Part
  t.throws(() => html`${forged}`, 'what only looks like a template is none')
})

t.test('a name keeps its direction of writing to itself', async (t) => {
  t.equal(name('\u202e<x>').toString(), '<bdi>\u202e&lt;x&gt;</bdi>')
})

t.test('a time is in UTC, and says so, until the script of the page knows better', async (t) => {
  t.equal(
    time(1_900_000_000).toString(),
    '<time datetime="2030-03-17T17:46:40.000Z" data-time>Sun, 17 Mar 2030 17:46 UTC</time>',
  )
  t.match(time(-62_198_755_200).toString(), '>Fri, 01 Jan -0001 00:00 UTC<')
  t.equal(time(8.7e12).toString(), 'an unknown time')
})

t.test('a fraction is a percentage, as on a reader', async (t) => {
  for (const [fraction, shown] of [
    [0, '0 %'],
    [0.435, '44 %'],
    [1, '100 %'],
  ] as const)
    t.equal(percentage(fraction), shown)
})
