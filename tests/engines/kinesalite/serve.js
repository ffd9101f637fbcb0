// Kinesis in memory, on a free port that it says, for as long as somebody holds its stdin open.
'use strict'

const kinesalite = require('kinesalite')

const server = kinesalite({createStreamMs: 0, deleteStreamMs: 0, updateStreamMs: 0, shardLimit: 1000})
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
process.stdin.on('end', () => process.exit(0)).resume()
