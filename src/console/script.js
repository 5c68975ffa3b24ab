// Everything works without this script: it only tells times in the zone of the browser.
;(function () {
  'use strict'
  if (!window.Intl || !document.querySelectorAll) return
  var show = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'medium', timeStyle: 'short' })
  var times = document.querySelectorAll('time[data-time]')
  for (var at = 0; at < times.length; at += 1) {
    var moment = new Date(times[at].getAttribute('datetime'))
    if (!isNaN(moment)) times[at].textContent = show.format(moment)
  }
})()
