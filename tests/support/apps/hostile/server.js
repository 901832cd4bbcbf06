// A neighbour that nobody wants: each path does one kind of harm, until it is stopped.
const cp = require('child_process');
const dns = require('dns');
const fs = require('fs');
const http = require('http');

const harm = {
  '/': () => {},
  // Answers, and is gone a moment later.
  '/die': () => setTimeout(() => process.exit(3), 300),
  // Writes as fast as the disk takes it.
  '/write': () => {
    const block = Buffer.alloc(4 << 20, 7);
    let fd = fs.openSync('flood', 'w'), written = 0;
    const more = () => fs.write(fd, block, (error, bytes) => {
      if (error) { fs.closeSync(fd); fd = fs.openSync('flood', 'w'); return setTimeout(more, 50); }
      written += bytes;
      setImmediate(more);
    });
    more();
  },
  '/files': () => {
    let n = 0;
    const more = () => {
      try { for (let i = 0; i < 200; i++) fs.writeFileSync('f' + n++, ''); } catch { /* its limit */ }
      setImmediate(more);
    };
    more();
  },
  '/fork': () => {
    const more = () => {
      for (let i = 0; i < 50; i++) cp.spawn('sleep', ['300']).on('error', () => {});
      setTimeout(more, 20);
    };
    more();
  },
  '/memory': () => {
    const hoard = [];
    const more = () => { hoard.push(Buffer.alloc(16 << 20, 1)); setTimeout(more, 1); };
    more();
  },
  '/log': () => {
    const line = 'x'.repeat(2000) + '\n';
    const more = () => { if (process.stdout.write(line)) setImmediate(more); else process.stdout.once('drain', more); };
    for (let i = 0; i < 8; i++) more();
  },
  // Names of a server that never answers (support/dns.py).
  '/dns': () => {
    let n = 0;
    const more = () => dns.resolve4(`n${n++}.slow.test`, () => setImmediate(more));
    for (let i = 0; i < 600; i++) more();
  },
  '/spin': () => { const until = Date.now() + 60000; setImmediate(() => { while (Date.now() < until); }); },
};

// With a marker in its volume it never listens again: a preview that slept and wakes no more.
const deaf = '/app/data/deaf';
const marker = process.env.DEAF_AFTER_FIRST ? (fs.existsSync('data') ? 'data/deaf' : deaf) : '';
if (marker && fs.existsSync(marker)) {
  setInterval(() => {}, 1000);
} else {
  if (marker) fs.writeFileSync(marker, '');
  http.createServer((req, res) => {
    const begin = harm[req.url.split('?')[0]];
    res.end(begin ? 'begun' : 'no such harm');
    if (begin) begin();
  }).listen(Number(process.env.PORT), '0.0.0.0');
}
if (process.env.STUBBORN) process.on('SIGTERM', () => {});
