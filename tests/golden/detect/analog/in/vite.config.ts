import analog from '@analogjs/platform';
