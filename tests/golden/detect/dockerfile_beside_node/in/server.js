const a = require('express')();
a.listen(process.env.PORT || 3000);
