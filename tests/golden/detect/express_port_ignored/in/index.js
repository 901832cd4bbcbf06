import express from 'express'
const app = express()
app.get('/', (_, r) => r.send('x'))
app.listen(3000, '127.0.0.1')
