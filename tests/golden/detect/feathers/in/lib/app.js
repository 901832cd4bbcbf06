const { feathers } = require('@feathersjs/feathers');
