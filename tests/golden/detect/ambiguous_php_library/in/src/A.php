<?php
namespace D;
class A {}
