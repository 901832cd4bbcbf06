// An app without dependencies that serves every kind of traffic that bench_load makes, and says with each answer which
// release it is.
const crypto = require('crypto');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const path = require('path');

const release = fs.readFileSync(path.join(__dirname, 'release.txt'), 'utf8').trim();
const answer = (res, body) => {
  res.writeHead(200, { 'X-Release': release, 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
};

// Byte i of a download is 'a' + i % 23.
const pattern = Buffer.alloc(23 * 4096, 'abcdefghijklmnopqrstuvw');

// ?bytes=B&pieces=N&every=MS: B bytes in N pieces.
function download(res, query) {
  const bytes = Number(query.get('bytes')), pieces = Number(query.get('pieces'));
  const size = Math.ceil(bytes / pieces);
  let sent = 0;
  res.writeHead(200, { 'X-Release': release, 'Content-Length': bytes });
  const timer = setInterval(() => {
    const length = Math.min(size, bytes - sent), start = sent % 23;
    res.write(pattern.subarray(start, start + length));
    sent += length;
    if (sent === bytes) { clearInterval(timer); res.end(); }
  }, Number(query.get('every')));
  res.on('close', () => clearInterval(timer));
}

// ?name=N: its address, or 500 when one question for it was not answered.
function resolve(res, name) {
  const resolver = new dns.Resolver({ timeout: 3000, tries: 1 });
  resolver.resolve4(name, (error, addresses) => {
    if (error) res.statusCode = 500;
    res.setHeader('X-Release', release);
    res.end(error ? error.code : addresses.join());
  });
}

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://app');
  if (url.pathname === '/resolve') return resolve(res, url.searchParams.get('name'));
  if (url.pathname === '/download') return download(res, url.searchParams);
  if (req.method !== 'POST') return answer(res, req.url);
  const parts = [];
  req.on('data', (part) => parts.push(part));
  req.on('end', () => answer(res, Buffer.concat(parts)));
});

// WebSockets, as far as the benchmark's client goes: short text frames, one at a time, and close.
server.on('upgrade', (req, socket) => {
  const accept = crypto.createHash('sha1').update(req.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    `X-Release: ${release}\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`);
  let input = Buffer.alloc(0);
  socket.on('data', (part) => {
    input = Buffer.concat([input, part]);
    while (input.length >= 6 && input.length >= 6 + (input[1] & 127)) {
      const length = input[1] & 127, mask = input.subarray(2, 6), text = Buffer.from(input.subarray(6, 6 + length));
      for (let i = 0; i < length; i++) text[i] ^= mask[i % 4];
      const closing = (input[0] & 15) === 8;
      socket.write(Buffer.concat([Buffer.from([input[0], length]), text]));
      if (closing) socket.end();
      input = input.subarray(6 + length);
    }
  });
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
});

server.listen(Number(process.env.PORT || 3000), '0.0.0.0');
