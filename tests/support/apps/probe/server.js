// An app without dependencies that does whatever a test asks of it.
const crypto = require('crypto');
const http = require('http');
const net = require('net');

const greeting = 'probe one';
const port = Number(process.env.PROBE_PORT || process.env.PORT || 3000);
const host = process.env.PROBE_HOST || '0.0.0.0';
const boot = crypto.randomBytes(6).toString('hex');

const text = (res, body, status = 200) => { res.writeHead(status, { 'Content-Type': 'text/plain' }); res.end(body); };
const json = (res, value) => { res.writeHead(200, { 'Content-Type': 'application/json' }); res.end(JSON.stringify(value)); };

const routes = {
  '/': (req, res) => text(res, greeting + '\n'),
  '/boot': (req, res) => text(res, boot),
  '/env': (req, res, query) => text(res, process.env[query.get('name')] ?? '(unset)'),
  '/headers': (req, res) => json(res, { headers: req.headers, raw: req.rawHeaders, method: req.method, url: req.url }),
  '/log': (req, res, query) => { console.log(query.get('text')); console.error('err ' + query.get('text')); text(res, 'logged'); },
  '/exit': (req, res, query) => { text(res, 'bye'); setTimeout(() => process.exit(Number(query.get('code') || 1)), 20); },
  '/upload': (req, res) => {
    const hash = crypto.createHash('sha256');
    let bytes = 0;
    req.on('data', (part) => { bytes += part.length; hash.update(part); });
    req.on('end', () => json(res, { bytes, sha256: hash.digest('hex'), trailers: req.trailers }));
  },
  '/download': (req, res, query) => {
    let left = Number(query.get('bytes'));
    const block = Buffer.alloc(1 << 16, 'slipway ');
    res.writeHead(200, query.get('chunked') ? {} : { 'Content-Length': left });
    const more = () => {
      while (left > 0) {
        const part = left < block.length ? block.subarray(0, left) : block;
        left -= part.length;
        if (!res.write(part)) { res.once('drain', more); return; }
      }
      res.end();
    };
    more();
  },
  '/events': (req, res, query) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    let n = 0;
    const timer = setInterval(() => {
      res.write(`id: ${n}\ndata: tick ${n}\n\n`);
      if (++n >= Number(query.get('count') || 5)) { clearInterval(timer); res.end(); }
    }, Number(query.get('every') || 50));
    req.on('close', () => clearInterval(timer));
  },
  '/memory': (req, res, query) => {
    const hoard = [];
    const grow = () => { hoard.push(Buffer.alloc(16 << 20, 1)); setTimeout(grow, 1); };
    grow();
    text(res, `hoarding ${hoard.length}`);
  },
  '/connect': (req, res, query) => {
    const socket = net.connect({ host: query.get('host'), port: Number(query.get('port')), timeout: 2000 });
    let done = false;
    const answer = (what) => { if (!done) { done = true; socket.destroy(); text(res, what); } };
    socket.on('connect', () => answer('connected'));
    socket.on('timeout', () => answer('timeout'));
    socket.on('error', (error) => answer('refused ' + error.code));
  },
  '/eval': (req, res, query) => { try { text(res, String(eval(query.get('js')))); } catch (error) { text(res, 'threw ' + (error.code || error.message)); } },
};

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://probe');
  const route = routes[url.pathname];
  if (route) route(req, res, url.searchParams); else text(res, 'no such route', 404);
});

server.on('upgrade', (req, socket) => {
  const accept = crypto.createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' + accept + '\r\n\r\n');
  let pending = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (part) => {
    pending = Buffer.concat([pending, part]);
    for (;;) {
      if (pending.length < 2) return;
      let length = pending[1] & 0x7f;
      let at = 2;
      if (length === 126) { if (pending.length < 4) return; length = pending.readUInt16BE(2); at = 4; }
      if (pending.length < at + 4 + length) return;
      const mask = pending.subarray(at, at + 4);
      const payload = Buffer.from(pending.subarray(at + 4, at + 4 + length).map((byte, i) => byte ^ mask[i % 4]));
      const opcode = pending[0] & 0x0f;
      pending = pending.subarray(at + 4 + length);
      const head = length < 126 ? Buffer.from([0x80 | opcode, length]) : Buffer.from([0x80 | opcode, 126, length >> 8, length & 0xff]);
      socket.write(Buffer.concat([head, payload]));
      if (opcode === 8) socket.end();
    }
  });
});

if (process.env.PROBE_CRASH) { console.error('probe: told to crash'); process.exit(Number(process.env.PROBE_CRASH)); }
if (!process.env.PROBE_DEAF) server.listen(port, host, () => console.log(`listening on ${host}:${port}`));
else setInterval(() => {}, 1000);
process.on('SIGTERM', () => { if (!process.env.PROBE_STUBBORN) process.exit(0); });
