// Everything works without this script: it only tells times in the zone of the browser, as a person says them.
;(function () {
  'use strict'
  if (!document.querySelectorAll) return
  var days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
  var months = ['January', 'February', 'March', 'April', 'May', 'June']
  months.push('July', 'August', 'September', 'October', 'November', 'December')

  function startOf(date) {
    return new Date(date.getFullYear(), date.getMonth(), date.getDate())
  }

  function twoDigits(number) {
    return (number < 10 ? '0' : '') + number
  }

  function dayOf(date, now) {
    // Days of 23 and 25 hours are days too.
    var ago = Math.round((startOf(now) - startOf(date)) / 86400000)
    if (ago === 0) return 'today '
    if (ago === 1) return 'yesterday '
    if (ago > 1 && ago < 7) return days[date.getDay()] + ' '
    var year = date.getFullYear() === now.getFullYear() ? '' : ' ' + date.getFullYear()
    return date.getDate() + ' ' + months[date.getMonth()] + year + ', '
  }

  var now = new Date()
  var times = document.querySelectorAll('time[data-time]')
  for (var at = 0; at < times.length; at += 1) {
    var date = new Date(times[at].getAttribute('datetime'))
    if (isNaN(date)) continue
    times[at].textContent = dayOf(date, now) + twoDigits(date.getHours()) + ':' + twoDigits(date.getMinutes())
  }
})()
