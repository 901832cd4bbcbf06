var express = require('express');
var os = require('os');
var router = express.Router();

var greeting = 'Hello from Express';
var requests = 0;
var visitors = new Set();

router.use(function (req, res, next) {
  requests += 1;
  next();
});

/* GET what the page shows about the process that answers it. */
router.get('/api/status', function (req, res) {
  res.json({
    greeting: greeting,
    node: process.version,
    uptime: Math.round(process.uptime()),
    memory: Math.round(process.memoryUsage().rss / 1048576),
    cores: os.availableParallelism(),
    requests: requests,
    watching: visitors.size,
  });
});

/* GET server-sent events: one a second, for as long as somebody watches. */
router.get('/api/events', function (req, res) {
  res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  res.flushHeaders();
  var tick = function () {
    res.write('data: ' + JSON.stringify({ uptime: Math.round(process.uptime()), requests: requests, watching: visitors.size,
      memory: Math.round(process.memoryUsage().rss / 1048576) }) + '\n\n');
  };
  visitors.add(res);
  tick();
  var timer = setInterval(tick, 1000);
  req.on('close', function () {
    clearInterval(timer);
    visitors.delete(res);
  });
});

module.exports = router;
