export const JWT_SECRET = 'a secret that is only ever used by the torture'
