module.exports={plugins:[new (require('html-webpack-plugin'))()]};
