import 'package:dart_frog/dart_frog.dart';
Response onRequest(RequestContext c) => Response(body: 'hi');
