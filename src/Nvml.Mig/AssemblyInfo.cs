using System.Runtime.CompilerServices;

// Every import is blittable; the runtime must not convert anything behind our back.
[assembly: DisableRuntimeMarshalling]
