using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace Nvml.Mig.Tests.PublicApi;

/// <summary>
/// Writes what users of an assembly can call, as declarations in C#: types and members in the order of their names, without bodies,
/// attributes and what the compiler adds to records.
/// </summary>
internal static class ApiWriter
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext Nullability = new();

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(object)] = "object",
        [typeof(string)] = "string",
        [typeof(bool)] = "bool",
        [typeof(char)] = "char",
        [typeof(sbyte)] = "sbyte",
        [typeof(byte)] = "byte",
        [typeof(short)] = "short",
        [typeof(ushort)] = "ushort",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(nint)] = "nint",
        [typeof(nuint)] = "nuint",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(decimal)] = "decimal",
    };

    private static readonly Dictionary<string, string> Operators = new(StringComparer.Ordinal)
    {
        ["op_Equality"] = "==",
        ["op_Inequality"] = "!=",
        ["op_LessThan"] = "<",
        ["op_LessThanOrEqual"] = "<=",
        ["op_GreaterThan"] = ">",
        ["op_GreaterThanOrEqual"] = ">=",
        ["op_BitwiseOr"] = "|",
        ["op_BitwiseAnd"] = "&",
        ["op_Addition"] = "+",
        ["op_Subtraction"] = "-",
    };

    public static string Write(Assembly assembly)
    {
        StringBuilder text = new();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append(text.Length > 0 ? "\n" : "");
            if (type.IsEnum && type.IsDefined(typeof(FlagsAttribute)))
                text.Append("[Flags]\n");
            text.Append(Head(type));
            string[] members = typeof(Delegate).IsAssignableFrom(type) ? [] : [.. Members(type)];
            text.Append(members.Length == 0 ? ";\n" : $"\n{{\n{string.Concat(members.Select(member => $"    {member}\n"))}}}\n");
        }

        return text.ToString();
    }

    private static string Head(Type type)
    {
        string name = (type.IsNested ? $"{Name(type.DeclaringType!)}." : $"{type.Namespace}.") + Name(type);
        if (typeof(Delegate).IsAssignableFrom(type))
        {
            MethodInfo invoke = type.GetMethod("Invoke")!;
            return $"public delegate {Typed(invoke.ReturnParameter)} {name}({Parameters(invoke)})";
        }

        bool isRecord = IsRecord(type);
        string kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } =>
                (type.IsDefined(typeof(IsReadOnlyAttribute)) ? "readonly " : "") + (type.IsByRefLike ? "ref " : "")
                    + (isRecord ? "record struct" : "struct"),
            { IsAbstract: true, IsSealed: true } => "static class",
            _ => (type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "") + (isRecord ? "record" : "class"),
        };
        List<string> bases = [];
        if (type.IsEnum && Enum.GetUnderlyingType(type) != typeof(int))
            bases.Add(Name(Enum.GetUnderlyingType(type)));
        else if (!type.IsEnum && type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType))
            bases.Add(Name(parent));
        Type[] inherited = type.IsEnum ? type.GetInterfaces() : type.BaseType?.GetInterfaces() ?? [];
        bases.AddRange(type.GetInterfaces().Except(inherited)
            .Where(i => !(isRecord && i == typeof(IEquatable<>).MakeGenericType(type)))
            .Select(Name).Order(StringComparer.Ordinal));
        return $"public {kind} {name}{(bases.Count > 0 ? " : " + string.Join(", ", bases) : "")}{Constraints(type.GetGenericArguments())}";
    }

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsEnum)
        {
            // By value, as they are read.
            return type.GetFields(BindingFlags.Public | BindingFlags.Static)
                .OrderBy(f => Convert.ToDecimal(f.GetRawConstantValue(), CultureInfo.InvariantCulture))
                .ThenBy(f => f.Name, StringComparer.Ordinal)
                .Select(f => $"{f.Name} = {f.GetRawConstantValue()},");
        }

        bool isRecord = IsRecord(type);
        return type.GetMembers(Declared)
            .Where(m => !(isRecord && m.IsDefined(typeof(CompilerGeneratedAttribute))))
            .Select(m => (Member: m, Text: m switch
            {
                FieldInfo field when IsVisible(field.Attributes & FieldAttributes.FieldAccessMask) => Field(field),
                ConstructorInfo constructor when IsVisible(constructor) && !IsCopy(constructor, isRecord) =>
                    $"{Access(constructor)}{Name(type)}({Parameters(constructor)});",
                PropertyInfo property when property.GetAccessors(nonPublic: true).Any(IsVisible) => Property(property),
                EventInfo @event when IsVisible(@event.AddMethod!) =>
                    $"{Access(@event.AddMethod!)}event {Typed(@event.EventHandlerType!, Nullability.Create(@event))} {@event.Name};",
                MethodInfo method when IsVisible(method)
                    && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)) => Method(method),
                _ => null,
            }))
            .Where(m => m.Text is not null)
            .OrderBy(m => m.Member.MemberType is MemberTypes.Constructor ? 0 : 1).ThenBy(m => m.Member.Name, StringComparer.Ordinal)
            .ThenBy(m => m.Text, StringComparer.Ordinal)
            .Select(m => m.Text!);
    }

    private static string Field(FieldInfo field)
    {
        string access = field.IsPublic ? "public " : "protected ";
        string type = Typed(field.FieldType, Nullability.Create(field));
        return field.IsLiteral ? $"{access}const {type} {field.Name} = {Literal(field.GetRawConstantValue(), field.FieldType)};"
            : $"{access}{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}{type} {field.Name};";
    }

    private static string Property(PropertyInfo property)
    {
        MethodInfo[] accessors = [.. property.GetAccessors(nonPublic: true).Where(IsVisible)];
        MethodInfo widest = accessors.FirstOrDefault(a => a.IsPublic) ?? accessors[0];
        string name = property.GetIndexParameters().Length > 0 ? $"this[{Parameters(property.GetIndexParameters())}]" : property.Name;
        string required = property.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        IEnumerable<string> parts = accessors.Select(a =>
            (widest.IsPublic && !a.IsPublic ? "protected " : "")
            + (a == property.GetMethod ? "get;" : IsInit(a) ? "init;" : "set;"));
        return $"{Access(widest)}{required}{Typed(property.PropertyType, Nullability.Create(property))} {name} {{ "
            + $"{string.Join(' ', parts)} }}";
    }

    private static bool IsInit(MethodInfo setter) => setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Method(MethodInfo method)
    {
        string generics = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";
        string parameters = (method.IsDefined(typeof(ExtensionAttribute)) ? "this " : "") + Parameters(method);
        string returned = Typed(method.ReturnParameter);
        string head = method.Name is "op_Implicit" or "op_Explicit" ? $"{method.Name[3..].ToLowerInvariant()} operator {returned}"
            : Operators.TryGetValue(method.Name, out string? symbol) ? $"{returned} operator {symbol}"
            : $"{returned} {method.Name}";
        return $"{Access(method)}{head}{generics}({parameters}){Constraints(method.IsGenericMethod ? method.GetGenericArguments() : [])};";
    }

    private static string Access(MethodBase method)
    {
        if (method.DeclaringType!.IsInterface)
            return method.IsStatic ? "static " : "";
        string access = method.IsPublic ? "public " : "protected ";
        if (method.IsStatic)
            return access + "static ";
        if (method is not MethodInfo { IsVirtual: true } info)
            return access;
        bool overrides = info.GetBaseDefinition() != info;
        return access
            + (info.IsAbstract ? "abstract "
                : overrides && info.IsFinal && !method.DeclaringType.IsSealed ? "sealed override "
                : overrides ? "override "
                : info.IsFinal ? ""
                : "virtual ");
    }

    private static string Parameters(MethodBase method) => Parameters(method.GetParameters());

    private static string Parameters(ParameterInfo[] parameters) =>
        string.Join(", ", parameters.Select(p =>
            NullWhen(p)
            + (p.IsDefined(typeof(ParamArrayAttribute)) || p.IsDefined(typeof(ParamCollectionAttribute)) ? "params " : "")
            + (p.ParameterType.IsByRef ? p.IsOut ? "out " : p.IsIn ? "in " : "ref " : "")
            + $"{Typed(p)} {p.Name}"
            + (p.HasDefaultValue ? $" = {Literal(p.RawDefaultValue, p.ParameterType)}" : "")));

    private static string Constraints(Type[] arguments) =>
        string.Concat(arguments.Where(a => a.IsGenericParameter).Select(a => (a.Name, Rules: (string[])
            [
                .. a.GenericParameterAttributes.HasFlag(GenericParameterAttributes.ReferenceTypeConstraint)
                    ? ["class"]
                    : Array.Empty<string>(),
                .. a.GenericParameterAttributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint)
                    ? ["struct"]
                    : Array.Empty<string>(),
                .. a.GetGenericParameterConstraints().Where(c => c != typeof(ValueType)).Select(Name),
            ])).Where(a => a.Rules.Length > 0).Select(a => $" where {a.Name} : {string.Join(", ", a.Rules)}"));

    private static string NullWhen(ParameterInfo parameter) =>
        parameter.GetCustomAttribute<NotNullWhenAttribute>() is { } notNull
            ? $"[NotNullWhen({Literal(notNull.ReturnValue, typeof(bool))})] "
            : parameter.GetCustomAttribute<MaybeNullWhenAttribute>() is { } maybe
                ? $"[MaybeNullWhen({Literal(maybe.ReturnValue, typeof(bool))})] "
            : "";

    private static string Typed(ParameterInfo parameter) => Typed(parameter.ParameterType, Nullability.Create(parameter));

    private static string Typed(Type type, NullabilityInfo info)
    {
        if (type.IsByRef)
            type = type.GetElementType()!;
        // For an out parameter the state written counts; for the others both are the same.
        bool isNullable = !type.IsValueType
            && (info.ReadState is NullabilityState.Nullable || info.WriteState is NullabilityState.Nullable);
        return Nullable.GetUnderlyingType(type) is { } underlying ? Generic(underlying, info.GenericTypeArguments) + "?"
            : type.IsArray && info.ElementType is { } element ? $"{Typed(type.GetElementType()!, element)}[]{(isNullable ? "?" : "")}"
            : Generic(type, info.GenericTypeArguments) + (isNullable ? "?" : "");
    }

    private static string Generic(Type type, NullabilityInfo[] arguments) =>
        type.IsGenericType && arguments.Length == type.GetGenericArguments().Length
            ? $"{Plain(type)}<{string.Join(", ", type.GetGenericArguments().Zip(arguments, Typed))}>"
            : Name(type);

    private static string Name(Type type) =>
        Keywords.TryGetValue(type, out string? keyword) ? keyword
            : Nullable.GetUnderlyingType(type) is { } underlying ? Name(underlying) + "?"
            : type.IsArray ? Name(type.GetElementType()!) + "[]"
            : type.IsByRef || type.IsPointer ? Name(type.GetElementType()!) + (type.IsPointer ? "*" : "")
            : type.IsGenericType ? $"{Plain(type)}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
            : type.Name;

    private static string Plain(Type type) => type.Name.Split('`')[0];

    private static string Literal(object? value, Type type) => value switch
    {
        null => type.IsValueType && Nullable.GetUnderlyingType(type) is null ? "default" : "null",
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        _ when (Nullable.GetUnderlyingType(type) ?? type) is { IsEnum: true } @enum =>
            string.Join(" | ", Enum.ToObject(@enum, value).ToString()!.Split(", ").Select(name => $"{@enum.Name}.{name}")),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static bool IsRecord(Type type) =>
        type.GetMethod("PrintMembers", Declared) is { } method && method.IsDefined(typeof(CompilerGeneratedAttribute));

    /// <summary>The constructor by which records copy themselves.</summary>
    private static bool IsCopy(ConstructorInfo constructor, bool isRecord) =>
        isRecord && constructor.GetParameters() is [{ ParameterType: { } type }] && type == constructor.DeclaringType;

    private static bool IsVisible(FieldAttributes access) =>
        access is FieldAttributes.Public or FieldAttributes.Family or FieldAttributes.FamORAssem;

    private static bool IsVisible(MethodBase method) =>
        method.IsPublic || ((method.IsFamily || method.IsFamilyOrAssembly) && !method.DeclaringType!.IsSealed);
}
