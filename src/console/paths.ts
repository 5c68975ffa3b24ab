/**
 * The console's paths, behind the base path. The server passes their requests on to the console. Not the first page, whose
 * path readers with a wrong address use too: there the server passes on the requests of browsers. @see routes in console.ts
 */
export const consolePaths = [
  '/sign-in',
  '/sign-out',
  '/sign-up',
  '/setup',
  '/books',
  '/books/*',
  '/devices',
  '/devices/*',
  '/account',
  '/account/*',
  '/help',
  '/help/*',
  '/admin',
  '/admin/*',
  '/assets/*',
]
